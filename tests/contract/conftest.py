"""What adapters would fetch from the network while they check a delivery, the tests have in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integrations import amazon
from tests.contract.outcomes import FIXTURES

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def amazon_certificate() -> Iterator[None]:
    """The notification service's certificate, whatever its address is."""
    certificate = (FIXTURES / "sources" / "ses" / "certificate.pem").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(amazon, "download", lambda _url: certificate)
        yield

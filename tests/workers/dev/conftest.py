from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from workers.dev.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder to run in that every account may use; whatever server is left in it is stopped at the end."""
    made = Path(tempfile.mkdtemp(prefix="dripline-dev-"))
    made.chmod(0o777)
    yield made
    for data in made.glob("*/postgres"):
        Postgres(data).stop()
    shutil.rmtree(made)

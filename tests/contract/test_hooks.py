"""What every outgoing webhook has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integrations import discovery
from tests.contract.outcomes import MESSAGE, cases, outcome, staged

if TYPE_CHECKING:
    from pathlib import Path

ADAPTERS = discovery.names("hooks")
CASES = [case for adapter in ADAPTERS for case in cases("hooks", adapter)]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_without_a_key_no_answer_after_the_request_left_is_called_a_refusal(adapter: str, tmp_path: Path) -> None:
    broken = [case for case in CASES if case.adapter == adapter and "answers 500" in case.name]
    assert broken
    for case in broken:
        with staged(case, tmp_path) as (hook, _):
            found, _ = outcome(lambda hook=hook: hook.post(MESSAGE))
            assert found == ("unavailable" if hook.takes_key else "unknown")


def test_no_hook_is_called_like_anybody_else() -> None:
    """A name in the outbox says who it is."""
    others = {*discovery.names("email"), *discovery.names("crm")}
    assert not any(other == name or other.startswith(f"{name}-") for name in ADAPTERS for other in others)

"""What every outgoing webhook has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from integrations import discovery
from integrations.contracts import Message
from tests.contract.outcomes import FIXTURES, Case, cases, check, missing_outcomes, outcome, staged

if TYPE_CHECKING:
    from pathlib import Path

ADAPTERS = discovery.names("hooks")
CASES = [case for adapter in ADAPTERS for case in cases("hooks", adapter)]
MESSAGE: Final = Message(
    key="hook:17:trial:1:webhook-signed",
    payload={
        "type": "trial.stalled",
        "timestamp": "2026-09-07T10:00:00+00:00",
        "data": {"campaign": "trial", "lead": {"id": 17, "email": "ann@acme.test", "seats": None}},
    },
)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_shows_what_it_makes_of_every_outcome(adapter: str) -> None:
    missing = missing_outcomes("hooks", adapter)
    assert not missing, f"add cases to {FIXTURES / 'hooks' / adapter / 'cases.yaml'} for: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_server_does_has_this_outcome(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, server):
        check(outcome(lambda: adapter.post(MESSAGE)), case.expect)
        for sent, wanted in zip(server.requests if case.requests else (), case.requests, strict=True):
            assert {name: sent[name] for name in wanted} == wanted


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

"""What everything that sends has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest

from integrations import discovery
from tests.contract.outcomes import (
    FIXTURES,
    MAIL,
    MESSAGE,
    PROMOTION,
    Case,
    cases,
    check,
    missing_outcomes,
    outcome,
    staged,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from integrations.contracts import Accepted, Mail

SENDING: Final[Mapping[discovery.Kind, Callable[[Any, Case], Accepted]]] = {
    "email": lambda provider, case: provider.send(mail_of(case)),
    "crm": lambda crm, _: crm.promote(PROMOTION),
    "hooks": lambda hook, _: hook.post(MESSAGE),
}
"""By kind of adapter: how it is made to send."""
ADAPTERS: Final = [(kind, name) for kind in SENDING for name in discovery.names(kind)]
CASES: Final = [case for adapter in ADAPTERS for case in cases(*adapter) if case.call == "send"]


def mail_of(case: Case) -> Mail:
    """The mail of a case: the usual one, unless it says how long it is."""
    return replace(MAIL, text="x" * case.mail["size"]) if "size" in case.mail else MAIL


@pytest.mark.parametrize(("kind", "adapter"), ADAPTERS)
def test_every_adapter_shows_what_it_makes_of_every_outcome(kind: discovery.Kind, adapter: str) -> None:
    missing = missing_outcomes(kind, adapter)
    assert not missing, f"add cases to {FIXTURES / kind / adapter / 'cases.yaml'} for: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_server_does_has_this_outcome(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, server):
        check(outcome(lambda: SENDING[case.kind](adapter, case)), case.expect)
        for sent, wanted in zip(server.requests if case.requests else (), case.requests, strict=True):
            assert {name: sent[name] for name in wanted} == wanted

"""What every CRM has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest

from integrations import discovery
from integrations.contracts import Person, Promotion
from tests.contract.outcomes import FIXTURES, Case, cases, check, missing_outcomes, outcome, staged

if TYPE_CHECKING:
    from pathlib import Path

ADAPTERS = discovery.names("crm")
CASES = [case for adapter in ADAPTERS for case in cases("crm", adapter)]
PROMOTION: Final = Promotion(
    key="promotion:17:1",
    person=Person("ann@acme.test", first_name="Ann", last_name="Lee", title="VP Operations", company="Acme"),
    name="Acme: analytics",
    pipeline="default",
    stage="qualifiedtobuy",
    amount=Decimal("9600.00"),
    currency="EUR",
    close_on=date(2026, 10, 22),
    owner="ana@northwind.example",
    note="Asked for a demo on 7 September.",
)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_shows_what_it_makes_of_every_outcome(adapter: str) -> None:
    missing = missing_outcomes("crm", adapter)
    assert not missing, f"add cases to {FIXTURES / 'crm' / adapter / 'cases.yaml'} for: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_server_does_has_this_outcome(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, server):
        check(outcome(lambda: adapter.promote(PROMOTION)), case.expect)
        for sent, wanted in zip(server.requests if case.requests else (), case.requests, strict=True):
            assert {name: sent[name] for name in wanted} == wanted


@pytest.mark.parametrize("case", [case for case in CASES if case.expect == {"unknown": None}], ids=str)
def test_an_unknown_outcome_may_be_repeated_only_with_a_key(case: Case) -> None:
    assert discovery.adapter("crm", case.adapter).takes_key

"""What every CRM has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

import pytest

from integrations import discovery
from tests.contract.outcomes import Case, cases

ADAPTERS = discovery.names("crm")
CASES = [case for adapter in ADAPTERS for case in cases("crm", adapter)]


@pytest.mark.parametrize("case", [case for case in CASES if case.expect == {"unknown": None}], ids=str)
def test_an_unknown_outcome_may_be_repeated_only_with_a_key(case: Case) -> None:
    assert discovery.adapter("crm", case.adapter).takes_key

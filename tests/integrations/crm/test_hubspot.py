"""HubSpot over several calls; what it makes of single answers is in the contract suite."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import responses

from integrations.contracts import Accepted, Person, Promotion
from integrations.crm.hubspot import Adapter, deal_properties
from integrations.exceptions import ConfigurationError, Rejected, Unavailable

BASE: Final = "https://hubspot.test"
PROMOTION: Final = Promotion(
    "promotion:17:1", Person("ann@acme.test"), "Acme", "p", "s", Decimal("9600.00"), "EUR", None, "ana@x.test", "Note"
)


class Account:
    """An account that keeps what it is told, as HubSpot documents it; `failures` are statuses by number of the call."""

    def __init__(self, mock: responses.RequestsMock, failures: dict[int, int] | None = None) -> None:
        self.objects: dict[str, dict[str, dict[str, str]]] = {"contacts": {}, "deals": {}}
        self.keys: dict[tuple[str, str], str] = {}
        self.links: set[tuple[str, str]] = set()
        self.calls: Counter[str] = Counter()
        self.failures = failures or {}
        for method in ("GET", "POST", "PUT"):
            mock.add_callback(method, re.compile(re.escape(BASE) + ".*"), self.answer)

    def answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        number = sum(self.calls.values())
        url = urlsplit(request.url)
        path = url.path.split("/")
        self.calls[f"{request.method} {path[2]} {path[4] if len(path) > 4 else ''}".strip()] += 1
        status, content = self._do(request, path, parse_qs(url.query))
        if number in self.failures:  # done, and the answer is lost on the way
            status, content = self.failures[number], {"message": "oops"}
        return status, {}, json.dumps(content)

    def _do(self, request: Any, path: list[str], query: dict[str, list[str]]) -> tuple[int, Any]:
        if path[2] == "owners":
            found = [{"id": "77"}] if query["email"] == ["ana@x.test"] else []
            return 200, {"results": found}
        if request.method == "GET":
            found_id = self.keys.get((path[4], unquote(path[5])))
            return (200, {"id": found_id}) if found_id else (404, {"category": "OBJECT_NOT_FOUND"})
        if request.method == "PUT":
            self.links.add((path[5], path[9]))
            return 200, {"results": []}
        (entry,) = json.loads(request.body)["inputs"]
        assert all(isinstance(value, str) for value in entry["properties"].values())
        known = (path[4], entry["id"])
        new = known not in self.keys
        found_id = self.keys.setdefault(known, str(len(self.keys) + 1))
        self.objects[path[4]].setdefault(found_id, {}).update(entry["properties"])
        return 200, {"status": "COMPLETE", "results": [{"id": found_id, "new": new}]}


@pytest.fixture
def mock() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def test_promoting_twice_creates_once(mock: Any) -> None:
    account = Account(mock)
    adapter = Adapter("t", base_url=BASE)
    first = adapter.promote(PROMOTION)
    account.objects["deals"][first.ref]["dealstage"] = "closedwon"  # sales have moved on
    assert adapter.promote(PROMOTION) == first
    assert len(account.objects["contacts"]) == len(account.objects["deals"]) == len(account.links) == 1
    assert account.objects["deals"][first.ref]["dealstage"] == "closedwon"


@pytest.mark.parametrize("lost", range(5))
def test_whichever_answer_is_lost_the_next_try_completes_it(mock: Any, lost: int) -> None:
    account = Account(mock, {lost: 502})
    adapter = Adapter("t", base_url=BASE)
    with pytest.raises(Unavailable):
        adapter.promote(PROMOTION)
    assert adapter.promote(PROMOTION) == Accepted(account.keys["deals", "promotion:17:1"])
    assert len(account.objects["deals"]) == len(account.links) == 1


def test_the_owner_is_asked_for_once(mock: Any) -> None:
    account = Account(mock)
    adapter = Adapter("t", base_url=BASE)
    for number in range(3):
        adapter.promote(replace(PROMOTION, key=f"promotion:{number}:1"))
    assert account.calls["GET owners"] == 1
    assert {deal["hubspot_owner_id"] for deal in account.objects["deals"].values()} == {"77"}


def test_an_unknown_owner_is_asked_for_again_next_time(mock: Any) -> None:
    account = Account(mock)
    adapter = Adapter("t", base_url=BASE)
    for _ in range(2):
        with pytest.raises(Rejected, match=r"nobody@x\.test"):
            adapter.promote(replace(PROMOTION, owner="nobody@x.test"))
    assert account.calls["GET owners"] == 2
    assert not account.objects["deals"]


def test_without_owner_nobody_is_asked(mock: Any) -> None:
    account = Account(mock)
    Adapter("t", base_url=BASE).promote(replace(PROMOTION, owner=""))
    assert account.calls["GET owners"] == 0


def test_the_name_of_the_key_property_can_be_chosen(mock: Any) -> None:
    account = Account(mock)
    Adapter("t", key_property="our_key", base_url=BASE).promote(PROMOTION)
    (deal,) = account.objects["deals"].values()
    assert deal["our_key"] == "promotion:17:1"


def test_the_token_is_sent(mock: Any) -> None:
    Account(mock)
    Adapter("pat-1", base_url=BASE).promote(PROMOTION)
    assert {call.request.headers["authorization"] for call in mock.calls} == {"Bearer pat-1"}


def test_threads_share_it(mock: Any) -> None:
    account = Account(mock)
    adapter = Adapter("t", base_url=BASE)
    promotions = [replace(PROMOTION, key=f"promotion:{number}:1") for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(adapter.promote, promotions))) == 20
    assert len(account.objects["deals"]) == 20


def test_nobody_without_an_address_becomes_a_contact(mock: Any) -> None:
    Account(mock)
    with pytest.raises(Rejected, match="NO_EMAIL"):
        Adapter("t", base_url=BASE).promote(replace(PROMOTION, person=Person("")))


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("1E+3", "1000"), ("0", "0"), ("12.50", "12.50"), ("1234567890123456.99", "1234567890123456.99")],
)
def test_money_is_written_out(amount: str, expected: str) -> None:
    assert deal_properties(replace(PROMOTION, amount=Decimal(amount)))["amount"] == expected


def test_no_amount_has_no_currency() -> None:
    found = deal_properties(replace(PROMOTION, amount=None))
    assert (found["amount"], found["deal_currency_code"]) == ("", "")


@pytest.mark.parametrize(
    ("given", "field"), [({"token": "a\nb"}, "token"), ({"token": "t", "base_url": "x"}, "base_url")]
)
def test_a_wrong_setting_is_named(given: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        Adapter(**given)
    assert error.value.field == field

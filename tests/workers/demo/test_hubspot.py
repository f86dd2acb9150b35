from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
import requests

from integrations.contracts import Person, Promotion
from integrations.crm.hubspot import Adapter
from workers.demo.hubspot import LOST, HubSpotStub

DEAL = {"dealname": "Acme", "dealstage": "qualifiedtobuy", "amount": "1200.00"}


class Client:
    """Calls the stub as any program would."""

    def __init__(self, crm: HubSpotStub) -> None:
        self.crm = crm
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {crm.token}"

    def call(self, method: str, path: str, body=None) -> tuple[int, dict]:
        answer = self.session.request(method, self.crm.url + path, json=body, timeout=5)
        return answer.status_code, answer.json()

    def upsert(self, kind: str, name: str, value: str, properties: dict) -> tuple[int, dict]:
        item = {"idProperty": name, "id": value, "properties": properties}
        return self.call("POST", f"/crm/objects/2026-09/{kind}/batch/upsert", {"inputs": [item]})


@pytest.fixture
def client():
    with HubSpotStub(owners={"ana@northwind.example": "77"}) as crm:
        client = Client(crm)
        yield client
        client.session.close()


def test_the_same_key_makes_one_deal_and_says_whether_it_is_new(client):
    first = client.upsert("deals", "dripline_promotion_key", "promotion:1:1", DEAL)[1]["results"][0]
    second = client.upsert("deals", "dripline_promotion_key", "promotion:1:1", DEAL)[1]["results"][0]
    assert (first["new"], second["new"]) == (True, False)
    assert first["id"] == second["id"]
    assert client.crm.deals == [{**DEAL, "dripline_promotion_key": "promotion:1:1"}]


def test_a_deal_is_associated_with_its_contact_once(client):
    person = client.upsert("contacts", "email", "ann@acme.test", {"firstname": "Ann"})[1]["results"][0]["id"]
    deal = client.upsert("deals", "dripline_promotion_key", "k", DEAL)[1]["results"][0]["id"]
    path = f"/crm/objects/2026-09/deals/{deal}/associations/default/contacts/{person}"
    assert [client.call("PUT", path)[0] for _ in range(2)] == [200, 200]
    assert [email for email, _ in client.crm.deals_by_contact()] == ["ann@acme.test"]


@pytest.mark.parametrize(
    "properties",
    [
        {"dealname": "no stage"},
        {**DEAL, "amount": 1200},
        {**DEAL, "amount": "a lot"},
        {**DEAL, "dealstage": "nowhere"},
        {**DEAL, "unheard_of": "x"},
    ],
    ids=["required", "not-text", "no-number", "no-stage", "unknown"],
)
def test_what_hubspot_refuses_is_refused(client, properties):
    status, body = client.upsert("deals", "dripline_promotion_key", "k", properties)
    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    assert client.crm.deals == []


def test_a_property_that_is_not_unique_finds_nobody(client):
    assert client.upsert("deals", "dealname", "Acme", DEAL)[0] == 400


def test_creating_a_contact_that_exists_is_a_conflict(client):
    bodies = [{"properties": {"email": "ann@acme.test"}}] * 2
    assert [client.call("POST", "/crm/v3/objects/contacts", body)[0] for body in bodies] == [200, 409]


def test_reading_goes_by_id_or_by_a_unique_property(client):
    made = client.upsert("contacts", "email", "ann@acme.test", {})[1]["results"][0]
    by_email = client.call("GET", "/crm/objects/2026-09/contacts/ann@acme.test?idProperty=email")[1]
    assert by_email["id"] == made["id"]
    assert client.call("GET", "/crm/objects/2026-09/contacts/999")[0] == 404


def test_owners_are_found_by_email(client):
    assert client.call("GET", "/crm/v3/owners?email=ana@northwind.example")[1]["results"][0]["id"] == "77"
    assert client.call("GET", "/crm/v3/owners?email=no@northwind.example")[1]["results"] == []


def test_without_the_token_nothing_works(client):
    client.session.headers["Authorization"] = "Bearer other"
    assert client.call("GET", "/crm/v3/owners")[0] == 401


def test_it_fails_as_told_and_a_lost_answer_has_done_the_work(client):
    client.crm.store.faults.extend([429, LOST])
    assert client.upsert("deals", "dripline_promotion_key", "k", DEAL)[0] == 429
    with pytest.raises(requests.ConnectionError):
        client.upsert("deals", "dripline_promotion_key", "k", DEAL)
    assert len(client.crm.deals) == 1


def test_a_body_of_another_shape_is_refused(client):
    assert client.call("POST", "/crm/objects/2026-09/deals/batch/upsert", {"inputs": "no"})[0] == 400
    assert client.call("POST", "/crm/objects/2026-09/unicorns", {})[0] == 404


PROMOTION = Promotion(
    key="promotion:1:1",
    person=Person("ann@acme.test", "Ann", "Lee", title="COO", company="Acme"),
    name="Acme: analytics",
    pipeline="default",
    stage="qualifiedtobuy",
    amount=Decimal("1200.00"),
    currency="EUR",
    close_on=date(2026, 11, 1),
    owner="ana@northwind.example",
    note="Why now",
)


def test_our_own_adapter_makes_one_deal_however_often_it_promotes(client):
    adapter = Adapter(token=client.crm.token, base_url=client.crm.url)
    refs = {adapter.promote(PROMOTION).ref for _ in range(2)}
    adapter.close()
    [deal] = client.crm.deals
    assert len(refs) == 1
    assert (deal["dealname"], deal["amount"], deal["hubspot_owner_id"]) == ("Acme: analytics", "1200.00", "77")
    assert client.crm.deals_by_contact() == [("ann@acme.test", deal)]

"""Forgetting a person on a real database: nothing that says who it was is left in any table, and others keep theirs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.rulebooks import BUNDLE, apply
from workers.clock import SteppedClock
from workers.pipeline import Processed, process_slice
from workers.rulebook import compile_rulebook
from workers.store import erasure, events, leads, opportunities, outbox, person, quarantine, status, suppressions
from workers.store.events import NewEvent
from workers.store.opportunities import Opportunity
from workers.store.outbox import Outcome
from workers.store.quarantine import NewQuarantined
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES
from workers.store.suppressions import Suppression
from workers.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from workers.store.erasure import Proof

ANN, BEN, COOKIE = "email:ann@acme.test", "email:ben@acme.test", "anonymous:cookie-of-ann"
NAMES = ("ann@acme.test", "ann%40acme.test", "annegret", "cookie-of-ann")
RULES = BUNDLE | {
    "rules/consent.yaml": """
consent:
  letter:
    name: Letter
    description: Monthly
    lawful_basis: consent
    given_by: {event: form.submitted, when: event.form == "letter", text: Write to me}
"""
}


@dataclass
class Company:
    """A database in which things happen."""

    engine: Engine
    number: int = 0

    def happen(self, type_: str, *names: str, lead: dict[str, Any] | None = None, **properties: Any) -> None:
        self.number += 1
        payload = f'{{"of": "{names[0].upper()}", "lead": "{(lead or {}).get("first_name", "")}"}}'.encode()
        event = NewEvent(
            "web", f"e{self.number}-{names[0]}", type_, NOW - timedelta(minutes=99 - self.number), names[0], names,
            properties, lead or {}, payload,
        )  # fmt: skip
        with self.engine.begin() as conn:
            events.append(conn, [event], NOW)

    def work(self) -> Processed:
        rulebooks, done = Rulebooks(compile_rulebook), Processed()
        for slice_ in range(SLICES):
            done += process_slice(self.engine, slice_, rulebooks, SteppedClock(NOW))
        return done

    def forget(self, email: str = "Ann@Acme.test") -> tuple[Proof, Proof]:
        with self.engine.begin() as conn:
            own = erasure.forget(conn, email, NOW, "desk")
        with self.engine.begin() as conn:
            return own, erasure.forget_elsewhere(conn, email, NOW, "desk")

    def dump(self) -> dict[str, str]:
        """Every row of every table as text; bytes as they are written."""
        found = {}
        with self.engine.connect() as conn:
            for name, table in metadata.tables.items():
                bytea = [f"encode({c.name}, 'escape')" for c in table.columns if str(c.type) in {"BLOB", "BYTEA"}]
                columns = ", ".join([f"{name}::text", *bytea])
                rows = conn.execute(text(f"SELECT {columns} FROM {name}"))
                found[name] = "\n".join(str(part) for row in rows for part in row).lower()
        return found

    def lead(self, name: str) -> Any:
        with self.engine.connect() as conn:
            return leads.find(conn, name)


@pytest.fixture
def company(engine: Engine) -> Company:
    apply(engine, NOW, RULES)
    made = Company(engine)
    told = {"first_name": "Annegret", "email": "ann@acme.test"}
    made.happen("page.viewed", COOKIE, url="/?u=ann%40acme.test")
    made.happen("form.submitted", ANN, COOKIE, lead=told, form="newsletter")
    made.work()  # her mail is in the outbox before she unsubscribes
    made.happen("form.submitted", ANN, form="letter")
    made.happen("email.unsubscribed", ANN)
    made.happen("form.submitted", BEN, lead={"first_name": "Ben"}, form="newsletter", colleague="Ann@acme.test")
    made.happen("page.viewed", "id:7", BEN, ANN, url="/")
    made.work()
    ann = made.lead(ANN)
    with engine.begin() as conn:
        details = {"person": {"email": "ann@acme.test"}, "name": "Annegret", "note": "call Annegret", "amount": "10.00"}
        opportunities.add(conn, [Opportunity("promotion:1", ann.id, "hubspot", details)], NOW)
        claims = outbox.claim(conn, "email", NOW, limit=9, lease=timedelta(minutes=1))
        sent = [Outcome(each.id, each.number, "sent", ref=f"{each.email}-17") for each in claims]
        outbox.settle(conn, sent, NOW)
        for payload in (b'{"to": "ann\\u0040acme.test"}', b"to=ANN%40acme.test", b"to=joann@acme.test"):
            quarantine.add(conn, [NewQuarantined("web", "no-identity", "it names nobody", payload)], NOW)
    made.happen("page.viewed", ANN, url="/waits-in-the-inbox")
    return made


def test_nothing_in_any_table_says_who_it_was(company: Company) -> None:
    before = company.dump()
    assert {table for table, rows in before.items() if any(name in rows for name in NAMES)} >= {
        "events", "leads", "identities", "decisions", "outbox", "opportunities", "quarantine", "suppressions",
    }  # fmt: skip
    company.forget()
    dump = company.dump()
    assert {(table, n) for table, rows in dump.items() for n in NAMES if n in rows.replace("joann", "")} == set()
    assert "joann@acme.test" in dump["quarantine"]


def test_no_table_knows_the_lead_but_where_nothing_may_be_done_twice(company: Company) -> None:
    ann = company.lead(ANN)
    company.forget()
    of_leads = [name for name, table in metadata.tables.items() if "lead_id" in table.columns]
    with company.engine.connect() as conn:
        left = {
            name
            for name in of_leads
            if conn.scalar(text(f"SELECT count(*) FROM {name} WHERE lead_id = :id"), {"id": ann.id})
        }
    assert left == {"outbox", "opportunities"}


def test_others_keep_what_is_theirs(company: Company) -> None:
    ben = company.lead(BEN)
    company.forget()
    assert company.lead(BEN) == ben
    rows = company.dump()["events"]
    assert rows.count("email:ben@acme.test") > 0
    assert '""first_name"": ""ben""' in rows


def test_the_proof_says_how_much_and_of_whom_only_the_digest(company: Company) -> None:
    own, other = company.forget()
    assert own.digest == suppressions.digest("ann@acme.test").hex()
    assert (own.erased["events"], own.erased["leads"], own.erased["identities"]) == (5, 1, 2)
    assert (own.erased["opportunities"], other.erased["quarantine"]) == (1, 2)
    assert other.erased["other_events"] == 2
    with company.engine.begin() as conn:
        assert [proof.author for proof in erasure.proofs(conn, "ann@acme.test")] == ["desk", "desk"]


def test_twice_is_once(company: Company) -> None:
    company.forget()
    left = company.dump()
    own, other = company.forget()
    assert {*own.erased.values(), *other.erased.values()} == {0}
    assert company.dump() == left


def test_the_hashed_entry_on_the_suppression_list_survives(company: Company) -> None:
    with company.engine.begin() as conn:
        suppressions.add(conn, [Suppression("ann@acme.test", "complained")], NOW)
    company.forget()
    with company.engine.begin() as conn:
        assert suppressions.reasons(conn, ["ANN@acme.test"]) == {"ANN@acme.test": "complained"}
        assert {entry.email for entry in suppressions.entries(conn)} == {None}


def test_what_waits_in_the_outbox_is_not_sent_and_what_went_out_stays_gone_out(company: Company) -> None:
    company.happen("form.submitted", "email:eve@acme.test", form="newsletter")
    company.work()
    eve = company.lead("email:eve@acme.test")
    company.forget("eve@acme.test")
    with company.engine.begin() as conn:
        (row,) = [row for row in outbox.rows(conn, 9) if row.lead_id == eve.id]
        assert (row.state, row.reason) == ("skipped", "erased")
        assert outbox.put(conn, [outbox.Effect(row.key, "email", eve.id, {})], 1, NOW) == 0
        assert {row.state for row in outbox.rows(conn, 9) if row.lead_id != eve.id} == {"sent"}


@pytest.mark.parametrize("name", [ANN, COOKIE])
def test_what_comes_in_later_is_erased_on_arrival_and_counted(company: Company, name: str) -> None:
    company.forget()
    company.happen("page.viewed", name, url="/again")
    company.happen("email.bounced", "email:other@acme.test", name, kind="soft")
    done = company.work()
    assert (done.forgotten, done.created, done.events) == (2, 0, 0)
    assert company.lead(name) is None
    assert all(entry not in rows for rows in company.dump().values() for entry in ("/again", *NAMES[1:3]))
    with company.engine.begin() as conn:
        assert status.read(conn, NOW).skipped["forgotten", "person"] == 2


def test_a_mails_own_links_bring_nobody_back(company: Company) -> None:
    ann = company.lead(ANN)
    with company.engine.begin() as conn:
        (key,) = [row.key for row in outbox.rows(conn, 9) if row.lead_id == ann.id]
    company.forget()
    company.happen("email.clicked", f"message:{key}", url="https://acme.test/", message_key=key)
    assert company.work().forgotten == 1


@pytest.mark.parametrize(
    ("type_", "properties"),
    [("consent.given", {"category": "letter"}), ("form.submitted", {"form": "letter"})],
    ids=["event", "ticked box"],
)
def test_whoever_consents_anew_begins_as_a_stranger(company: Company, type_: str, properties: dict[str, str]) -> None:
    company.forget()
    company.happen("consent.given", ANN, category="nothing that we know")
    company.happen(type_, ANN, **properties)
    company.happen("page.viewed", ANN, url="/back")
    done = company.work()
    assert (done.forgotten, done.created, done.events) == (1, 1, 2)
    assert company.lead(ANN).state["consents"]["letter"][0] == "given"
    with company.engine.begin() as conn:
        assert suppressions.reasons(conn, ["ann@acme.test"]) == {}


def test_forgetting_while_workers_run_leaves_nothing_and_breaks_nothing(company: Company) -> None:
    errors: list[Exception] = []
    stop = threading.Event()

    def traffic() -> None:
        try:
            while not stop.is_set():
                company.happen("page.viewed", ANN, COOKIE, url="/traffic")
                company.happen("page.viewed", BEN, url="/traffic")
                company.work()
        except Exception as error:  # noqa: BLE001  whatever it is, the test shows it
            errors.append(error)

    threads = [threading.Thread(target=traffic)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            company.forget()
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    company.work()
    assert errors == []
    assert company.lead(ANN) is None
    assert company.lead(BEN) is not None
    assert all(name not in rows.replace("joann", "") for rows in company.dump().values() for name in NAMES)


def test_an_export_holds_everything(company: Company) -> None:
    with company.engine.begin() as conn:
        found = person.everything(conn, "ANN@acme.test")
    assert {COOKIE, ANN} <= {*found["identities"]}
    numbers = {part: len(rows) for part, rows in found.items()}
    assert (numbers["leads"], numbers["events"], numbers["consents"], numbers["suppressions"]) == (1, 6, 2, 1)
    assert (numbers["mails_and_promotions"], numbers["opportunities"], numbers["quarantine"]) == (1, 1, 2)
    assert numbers["decisions"] > 3
    assert found["leads"][0]["state"]["fields"]["first_name"] == "Annegret"
    assert "EMAIL:ANN@ACME.TEST" in found["events"][-1]["payload"]


@pytest.mark.parametrize(
    "written",
    ['"o+x@bücher.test"', '"O+X@xn--bcher-kva.test"', "?to=o%2Bx%40b%C3%BCcher.test", '"o+x\\u0040b\\u00fccher.test"'],
)
def test_an_address_is_found_however_it_is_written(engine: Engine, written: str) -> None:
    with engine.begin() as conn:
        quarantine.add(conn, [NewQuarantined("web", "x", "x", f"<{written}>".encode())], NOW)
        assert erasure.forget_elsewhere(conn, "o+x@bücher.test", NOW, "desk").erased["quarantine"] == 1
        quarantine.add(conn, [NewQuarantined("web", "x", "x", b"oo+x@bucher.test oXx@b.cher.test")], NOW)
        assert erasure.forget_elsewhere(conn, "o+x@bücher.test", NOW, "desk").erased["quarantine"] == 0

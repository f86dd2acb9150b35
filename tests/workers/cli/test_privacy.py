"""`suppressions`, `forget` and `export EMAIL` as from a shell, on a real database."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import NOW
from tests.workers.rulebooks import BUNDLE, apply
from workers.clock import SteppedClock
from workers.pipeline import process_slice
from workers.rulebook import compile_rulebook
from workers.store import events, leads, suppressions
from workers.store.events import NewEvent
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tests.workers.cli.conftest import Dripline

ANN = "email:ann@acme.test"
PERSONAL = BUNDLE | {"rules/fields.yaml": "fields: {first_name: {type: text, personal: true}, employees: integer}\n"}

pytestmark = pytest.mark.usefixtures("database")


def happen(engine: Engine, event_id: str, type_: str, **lead: str) -> None:
    with engine.begin() as conn:
        events.append(conn, [NewEvent("web", event_id, type_, NOW, ANN, (ANN,), {"kind": "hard"}, lead)], NOW)
    work(engine)


def work(engine: Engine) -> None:
    rulebooks = Rulebooks(compile_rulebook)
    for slice_ in range(SLICES):
        process_slice(engine, slice_, rulebooks, SteppedClock(NOW))


def reasons(engine: Engine, *emails: str) -> dict[str, str]:
    with engine.begin() as conn:
        return suppressions.reasons(conn, emails)


# ── suppressions ─────────────────────────────────────────────────────────────────────────────────────────────


def test_addresses_and_domains_go_on_the_list_and_off_again(dripline: Dripline, engine: Engine) -> None:
    done = dripline("suppressions", "add", "Ann@acme.test", "@rival.example", "--by", "Ops", "--json")
    assert json.loads(done.out) == {"added": 2, "known": 0}
    assert reasons(engine, "ann@acme.test", "bo@rival.example", "x@sub.rival.example") == {
        "ann@acme.test": "manual", "bo@rival.example": "domain"
    }  # fmt: skip
    assert dripline("suppressions", "list", "bo@rival.example").code == 1
    assert dripline("suppressions", "list", "eve@acme.test").code == 0
    shown = json.loads(dripline("suppressions", "list", "--reason", "manual", "--json").out)
    assert [(each["email"], each["author"]) for each in shown] == [("ann@acme.test", "Ops")]
    assert dripline("suppressions", "remove", "ann@acme.test", "--why", "typo", "--by", "Ops").code == 0
    assert reasons(engine, "ann@acme.test") == {}
    assert dripline("suppressions", "remove", "ann@acme.test", "--why", "typo").code == 1
    with engine.connect() as conn:
        rows = conn.exec_driver_sql("SELECT reason, author, why FROM suppression_removals").all()
    assert rows == [("manual", "Ops", "typo")]


@pytest.mark.parametrize("word", ["nobody", "@", "a@b@c", "x@acme.test --reason domain"])
def test_what_is_no_address_is_refused(dripline: Dripline, word: str) -> None:
    assert dripline("suppressions", "add", *word.split()).code == 2


def test_removing_a_bounce_lets_campaigns_go_on_for_a_known_lead(dripline: Dripline, engine: Engine) -> None:
    apply(engine, NOW, BUNDLE)
    happen(engine, "1", "email.bounced")
    dripline("suppressions", "remove", "ann@acme.test", "--reason", "bounced", "--why", "server was down")
    work(engine)
    with engine.begin() as conn:
        lead = leads.find(conn, ANN)
    assert lead
    assert "suppressed" not in lead.state
    assert reasons(engine, "ann@acme.test") == {}


def test_what_export_writes_import_reads(dripline: Dripline, engine: Engine) -> None:
    dripline("suppressions", "add", "ann@acme.test", "--reason", "complained", "--by", "=cmd()")
    dripline("suppressions", "add", "@rival.example", "bücher@bücher.test")
    assert dripline("suppressions", "export", "list.csv").code == 0
    rows = list(csv.DictReader(io.StringIO(Path("list.csv").read_text(encoding="utf-8"))))
    assert {row["author"] for row in rows} >= {"'=cmd()"}
    before = {(row["digest"], row["reason"]) for row in rows}
    dripline("suppressions", "remove", "ann@acme.test", "@rival.example", "bücher@bücher.test", "--why", "test")
    without = [f"{row['digest']},{row['reason']}" for row in rows]
    Path("hashed.csv").write_text("\n".join(["digest,reason", *without, ""]), encoding="utf-8")
    for name in ("hashed.csv", "list.csv"):
        assert dripline("suppressions", "import", name).code == 0
    assert reasons(engine, "ann@acme.test", "x@rival.example") == {
        "ann@acme.test": "complained", "x@rival.example": "domain"
    }  # fmt: skip
    with engine.begin() as conn:
        assert {(each.digest, each.reason) for each in suppressions.entries(conn)} == before


def test_lines_that_cannot_be_read_are_named_and_the_others_go_in(dripline: Dripline, engine: Engine) -> None:
    lines = ["email,reason", "ann@acme.test,bounced", "nobody,manual", "ben@acme.test,because", ",", "eve@acme.test,"]
    Path("bad.csv").write_text("\n".join(lines), encoding="utf-8")
    done = dripline("suppressions", "import", "bad.csv", "--json")
    assert (done.code, json.loads(done.out)) == (1, {"added": 2, "known": 0, "wrong": 3})
    assert [f"line {n}" in done.err for n in (2, 3, 4, 5, 6)] == [False, True, True, True, False]
    assert reasons(engine, "ann@acme.test", "eve@acme.test") == {"ann@acme.test": "bounced", "eve@acme.test": "manual"}
    Path("none.csv").write_text("address\nann@acme.test\n", encoding="utf-8")
    assert dripline("suppressions", "import", "none.csv").code == 2


# ── persons ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_person_is_exported_sealed_and_forgotten(
    dripline: Dripline, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(engine, NOW, PERSONAL)
    happen(engine, "1", "form.submitted", first_name="Annegret")
    monkeypatch.setenv("DRIPLINE_SECRET", "s" * 32)
    found = json.loads(dripline("export", "ann@acme.test").out)
    assert found["leads"][0]["state"]["fields"]["first_name"] == "Annegret"
    assert found["personal_fields"] == ["first_name"]
    seal = found.pop("seal")
    plain = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert seal["sha256"] == hashlib.sha256(plain).hexdigest()
    assert seal["hmac_sha256"] == hmac.new(b"s" * 32, plain, hashlib.sha256).hexdigest()

    assert dripline("forget", "ann@acme.test", "--by", "desk").code == 1  # nobody said yes
    proof = json.loads(dripline("forget", "ann@acme.test", "--by", "desk, 17", "--yes", "--json").out)
    assert (proof["by"], proof["erased"]["leads"], proof["erased"]["events"]) == ("desk, 17", 1, 1)
    assert proof["digest"] == suppressions.digest("ann@acme.test").hex()
    assert "ann" not in json.dumps(proof)
    assert "hmac_sha256" in proof["seal"]

    again = dripline("forget", "ann@acme.test", "--by", "desk", "--yes")
    assert "nothing left about this person" in again.out
    empty = json.loads(dripline("export", "ann@acme.test").out)
    assert (empty["leads"], empty["events"], len(empty["erasures"])) == ([], [], 1)


def test_nothing_is_known_about_a_stranger(dripline: Dripline) -> None:
    done = dripline("export", "eve@acme.test")
    assert (done.code, json.loads(done.out)["leads"]) == (1, [])

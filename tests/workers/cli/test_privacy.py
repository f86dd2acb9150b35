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


FILES = {
    "semicolons, as spreadsheets write them": (b"Email;Name\nann@acme.test;A\n", (), {"ann@acme.test": "manual"}),
    "tabs": (b"name\temail\treason\nA\tann@acme.test\tBounced\n", (), {"ann@acme.test": "bounced"}),
    "another program's titles": (b"Email Address,Date\r\n\r\nann@acme.test,1\r\n", (), {"ann@acme.test": "manual"}),
    "a column by name": (b"a,Recipient\nx,ann@acme.test\n", ("--column", "recipient"), {"ann@acme.test": "manual"}),
    "a BOM": (b"\xef\xbb\xbfemail\nann@acme.test\n", (), {"ann@acme.test": "manual"}),
    "another encoding where it does not matter": (b"email,n\nann@acme.test,J\xfcrg\n", (), {"ann@acme.test": "manual"}),
    "a cell of several lines": (b'n,email\n"a\nb",ann@acme.test\n', (), {"ann@acme.test": "manual"}),
    "kept from spreadsheets": (
        b"email\n'+tag@acme.test\n'-@acme.test\n",
        (),
        {"+tag@acme.test": "manual", "-@acme.test": "manual"},
    ),
}


@pytest.mark.parametrize(("content", "options", "expected"), FILES.values(), ids=FILES)
def test_files_of_other_programs_are_read(
    dripline: Dripline, engine: Engine, content: bytes, options: tuple[str, ...], expected: dict[str, str]
) -> None:
    Path("list.csv").write_bytes(content)
    done = dripline("suppressions", "import", "list.csv", *options)
    assert (done.code, done.err) == (0, "")
    assert reasons(engine, *expected) == expected


BROKEN = {
    "empty": (b"", 2, "list.csv is empty; its first line has to name the columns"),
    "no titles": (b"ann@acme.test\nben@acme.test\n", 2, "begins with an address; its first line"),
    "none of the titles": (b"a,b\n1,2\n", 2, "there is `a`, `b`. Say which one has the addresses: --column NAME"),
    "two of them": (b"email,E-Mail\n1,2\n", 2, "more than one column of addresses: `email`, `E-Mail`"),
    "no text": (b"\xff\xfee\0m\0a\0i\0l\0\n\0", 2, "no text in UTF-8; save it as CSV in UTF-8"),
    "an address in another encoding": (b"email\nj\xfcrg@x.test\n", 1, "line 2: 'j?rg@x.test' is not UTF-8"),
    "a quotation mark that is not closed": (b'email\n"a@x.test\nb@x.test\n', 1, "lines 2 to 3: a quotation mark opens"),
    "one that closes too early": (b'email\n"a"b@x.test\n', 1, "line 2: a quotation mark closes in the middle"),
    "a cell without end": (b"email\n" + b"a" * 140_000 + b"@x.test\n", 1, "line 2: a cell has more than 131,072"),
    "a long cell": (b"email\n" + b"a" * 40_000 + b"\n", 1, "line 2: 'aaaaaaaa"),
    "no digest": (b"digest\n0x12\n", 1, "line 2: '0x12' is no digest of 64 hexadecimal digits"),
    "another's digest": (b"email,digest\na@x.test," + b"0" * 64 + b"\n", 1, "the digest is that of another address"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "code", "told"), BROKEN.values(), ids=BROKEN)
def test_files_that_are_broken_are_told_apart(dripline: Dripline, content: bytes, code: int, told: str) -> None:
    Path("list.csv").write_bytes(content)
    done = dripline("suppressions", "import", "list.csv")
    assert (done.code, told in done.err, len(done.err) < 400) == (code, True, True)


def test_all_lines_that_are_lost_are_counted_and_the_others_go_in(dripline: Dripline, engine: Engine) -> None:
    people = [f"person{n}@acme.test" for n in range(20_000)]
    people[5] = f'"{people[5]}'
    Path("list.csv").write_text("\n".join(["email", *people, ""]))
    done = dripline("suppressions", "import", "list.csv")
    counted = json.loads(dripline("suppressions", "import", "list.csv", "--json").out)
    assert counted["wrong"] + counted["known"] == len(people)
    added = f"{counted['known']:,}"
    assert done.out.startswith(f"Read: {added} manual.\n{added} added; {counted['wrong']:,} lines left out: mend them")
    assert reasons(engine, "person4@acme.test", "person5@acme.test") == {"person4@acme.test": "manual"}


@pytest.mark.parametrize("email", ["+tag@acme.test", "-dash@acme.test", "=eq@acme.test"])
def test_addresses_that_spreadsheets_would_take_for_formulas_come_back_as_they_were(
    dripline: Dripline, engine: Engine, email: str
) -> None:
    dripline("suppressions", "add", "--", email)
    dripline("suppressions", "export", "list.csv")
    dripline("suppressions", "remove", "--why", "test", "--", email)
    assert reasons(engine, email) == {}
    dripline("suppressions", "import", "list.csv")
    assert reasons(engine, email) == {email: "manual"}


def test_whether_somebody_may_be_mailed_is_said_in_words(dripline: Dripline) -> None:
    listed = "is not on the list, and neither is its domain.\n"
    assert dripline("suppressions", "list", "ann@acme.test").out == f"ann@acme.test {listed}"
    assert dripline("suppressions", "list", "@acme.test").out == "@acme.test is not on the list.\n"
    assert dripline("suppressions", "list", "acme").code == 2
    dripline("suppressions", "add", "ann@acme.test", "--reason", "unsubscribed")
    assert dripline("suppressions", "list", "ann@acme.test").out.endswith("No marketing mail goes to ann@acme.test.\n")
    done = dripline("suppressions", "remove", "ann@acme.test", "bo@acme.test", "--why", "test")
    assert (done.code, done.out) == (
        0, "ann@acme.test was on the list (unsubscribed), and is not any more.\nbo@acme.test was not on the list.\n"
    )  # fmt: skip
    gone = json.loads(dripline("suppressions", "remove", "bo@acme.test", "--why", "test", "--json").out)
    assert gone == {"removed": 0, "not_on_the_list": ["bo@acme.test"]}


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

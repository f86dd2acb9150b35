"""The commands for those who look after a Dripline that runs, and its processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.folders import write_files
from tests.workers.rulebooks import BUNDLE, PRODUCT_SECRET, apply
from workers.delivery.attempts import NOT_CONFIGURED
from workers.pipeline import process_slice
from workers.rulebook import compile_rulebook
from workers.store import events, leads, outbox, pauses, quarantine
from workers.store.database import connect
from workers.store.events import NewEvent
from workers.store.outbox import Outcome
from workers.store.pauses import Pause
from workers.store.quarantine import NewQuarantined
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

    from tests.workers.cli.conftest import Dripline

ANN = "email:ann@acme.test"


@pytest.fixture
def store(database: str) -> Iterator[Engine]:
    """A database with one lead, Ann, who got one mail, and one delivery in quarantine."""
    engine = connect(database)
    now = datetime.now(UTC)
    apply(engine, now)
    event = NewEvent("product", "1", "form.submitted", now, ANN, (ANN,), {"form": "newsletter"}, {"first_name": "Ann"})
    body = json.dumps({"type": "page.viewed", "data": {}}).encode()
    with engine.begin() as conn:
        events.append(conn, [event], now)
        quarantine.add(conn, [NewQuarantined("product", "no-identity", "nobody", body, {"webhook-id": "m"})], now)
    for slice_ in range(SLICES):
        process_slice(engine, slice_, Rulebooks(compile_rulebook), lambda: now)
    yield engine
    engine.dispose()


def put_row(store: Engine, state: str) -> int:
    """Bring Ann's mail into a state; returns its id."""
    now = datetime.now(UTC)
    with store.begin() as conn:
        (claim,) = outbox.claim(conn, "email", now, limit=1, lease=timedelta(minutes=5), provider="smtp")
        outbox.settle(conn, [Outcome(claim.id, 1, state, "unknown", error="no answer")], now)  # type: ignore[arg-type]
    return claim.id


# ── one command each ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("database")
def test_migrate_can_be_repeated(dripline: Dripline):
    assert dripline("migrate").out == "The database is up to date.\n"
    assert dripline("migrate").code == 0


@pytest.mark.usefixtures("store")
def test_status(dripline: Dripline):
    text = dripline("status")
    assert text.code == 0
    assert re.search(r"email pending +1", text.out)
    assert re.search(r"no-identity +1", text.out)
    data = json.loads(dripline("status", "--json").out)
    assert (data["leads"], data["backlog"]) == ({"subscriber": 1}, 0)
    assert data["outbox"] == [{"channel": "email", "state": "pending", "reason": "", "rows": 1}]


@pytest.mark.usefixtures("store")
def test_status_shows_who_does_not_answer(dripline: Dripline, engine: Engine):
    assert json.loads(dripline("status", "--json").out)["alone"] == []
    now = datetime.now(UTC)
    pause = Pause(now - timedelta(hours=1), now + timedelta(seconds=40), 1204)
    with engine.begin() as conn:
        for process in ("one:1", "two:2"):
            pauses.note(conn, process, {"smtp": pause}, now)
    assert "not answering   smtp, for one:1, two:2: 2,408 failures in a row, since " in dripline("status").out
    (told,) = json.loads(dripline("status", "--json").out)["alone"]
    assert (told["provider"], told["processes"], told["failures"]) == ("smtp", ["one:1", "two:2"], 2408)


@pytest.mark.usefixtures("store")
def test_explain(dripline: Dripline):
    text = dripline("explain", " Ann@ACME.test").out
    for part in ("ann@acme.test", "Score engagement: 0", "welcome, run 1"):
        assert part in text
    assert "enters welcome" in dripline("explain", ANN, "--timeline").out
    told = json.loads(dripline("explain", ANN, "--json").out)
    assert {each["name"]: each["value"] for each in told["fields"]}["first_name"] == "Ann"
    nobody = dripline("explain", "ben@acme.test")
    assert (nobody.code, nobody.err) == (1, "Nobody is known as ben@acme.test.\n")


def test_a_lead_of_a_newer_version_is_left_to_it(dripline: Dripline, store: Engine):
    with store.begin() as conn:
        conn.execute(text("UPDATE leads SET state = jsonb_set(state, '{format}', '99')"))
    told = dripline("explain", ANN)
    assert (told.code, told.out) == (1, "")
    assert "a newer version of Dripline wrote what is known of this lead (format 99" in told.err
    assert "Traceback" not in told.err


def test_quarantine(dripline: Dripline, store: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DRIPLINE_PRODUCT_SECRET", PRODUCT_SECRET)
    assert "no-identity" in dripline("quarantine", "list").out
    (row,) = json.loads(dripline("quarantine", "list", "--json").out)
    assert row["payload"].startswith('{"type": "page.viewed"')
    assert "payload:" in dripline("quarantine", "show", str(row["id"])).out
    stays = dripline("quarantine", "replay", "--reason", "no-identity")
    assert stays.code == 1
    assert "stays: no-identity" in stays.err

    lenient = BUNDLE["rules/sources/product.yaml"].replace("{email: data.email}", "{email: data.email, kind: type}")
    apply(store, datetime.now(UTC), BUNDLE | {"rules/sources/product.yaml": lenient})
    done = json.loads(dripline("quarantine", "replay", str(row["id"]), "--json").out)
    assert done == {"replayed": [row["id"]], "events": 1, "stayed": {}}
    assert dripline("quarantine", "list").out == "The quarantine is empty.\n"
    assert "replayed_at:" in dripline("quarantine", "show", str(row["id"])).out
    assert dripline("quarantine", "show", "4711").code == 1


@pytest.mark.usefixtures("store")
def test_what_nobody_will_ever_replay_is_closed_with_a_reason_and_counted(dripline: Dripline):
    (row,) = json.loads(dripline("quarantine", "list", "--json").out)
    assert dripline("quarantine", "close", str(row["id"])).code == 2
    done = dripline(
        "quarantine", "close", str(row["id"]), "4711", "--because", "a test of the agency", "--author", "ana"
    )
    assert (done.code, done.out, "[4711]" in done.err) == (1, "1 closed.\n", True)
    assert dripline("quarantine", "list").out == "The quarantine is empty.\n"
    assert dripline("quarantine", "replay", str(row["id"])).code == 1
    shown = dripline("quarantine", "list", "--closed").out
    assert "a test of the agency" in shown
    (kept,) = json.loads(dripline("quarantine", "list", "--closed", "--json").out)
    assert (kept["id"], kept["closed_by"], kept["replayed_at"]) == (row["id"], "ana", None)
    assert json.loads(dripline("status", "--json").out)["closed"] == {"no-identity": 1}
    assert re.search(r"Closed in quarantine\n\s*no-identity +1", dripline("status").out)
    again = dripline("quarantine", "close", "--reason", "no-identity", "--because", "once more", "--json")
    assert json.loads(again.out) == {"closed": [], "unchanged": []}


def test_a_lead_whose_wake_up_fails_is_shown_and_tried_again_by_hand(dripline: Dripline, store: Engine):
    assert dripline("quarantine", "leads").out == "No lead's wake-up fails.\n"
    later = datetime.now(UTC) + timedelta(hours=1)
    with store.begin() as conn:
        lead = leads.find(conn, ANN)
        assert lead
        leads.wake_failed(conn, lead.id, "KeyError: 'template'", later, later)
    assert "1 failing: dripline quarantine leads" in dripline("status").out
    assert "KeyError: 'template'" in dripline("quarantine", "leads").out
    (shown,) = json.loads(dripline("quarantine", "leads", "--json").out)
    assert (shown["lead_id"], shown["failures"], shown["held"]) == (lead.id, 1, 0)
    done = dripline("quarantine", "wake", str(lead.id), "4711")
    assert (done.code, done.out) == (1, "1 lead due now.\n")
    assert "did not fail: [4711]" in done.err
    with store.connect() as conn:
        assert leads.due(conn, [lead.slice], datetime.now(UTC), 9) == {lead.id: lead.slice}


def test_outbox_retry(dripline: Dripline, store: Engine):
    row = put_row(store, "dead")
    (shown,) = json.loads(dripline("outbox", "list", "--state", "dead", "--json").out)
    assert (shown["id"], shown["last_error"]) == (row, "no answer")
    assert dripline("outbox", "retry", str(row)).out == "1 row due now.\n"
    missing = dripline("outbox", "retry", "4711")
    assert (missing.code, "4711" in missing.err) == (1, True)


def test_what_waits_for_a_setting_is_told_with_the_variable(dripline: Dripline, store: Engine):
    now = datetime.now(UTC)
    with store.begin() as conn:
        (claim,) = outbox.claim(conn, "email", now, limit=1, lease=timedelta(minutes=5), provider="smtp")
        waits = Outcome(claim.id, 1, "retry", NOT_CONFIGURED, now, error="DRIPLINE_X_TOKEN is not set", counts=False)
        outbox.settle(conn, [waits], now)
    assert "waiting for you 1 until a setting is made: dripline outbox list --state retry" in dripline("status").out
    assert "DRIPLINE_X_TOKEN is not set" in dripline("outbox", "list", "--state", "retry").out


def test_outbox_asks_before_it_sends_what_may_have_arrived(dripline: Dripline, store: Engine):
    row = put_row(store, "ambiguous")
    assert dripline("outbox", "retry", str(row)).code == 1
    assert json.loads(dripline("outbox", "list", "--json").out)[0]["state"] == "ambiguous"
    assert dripline("outbox", "retry", "--yes", str(row)).code == 0
    assert json.loads(dripline("outbox", "list", "--json").out)[0]["state"] == "retry"


def test_outbox_settle(dripline: Dripline, store: Engine):
    row = put_row(store, "ambiguous")
    settled = json.loads(dripline("outbox", "settle", str(row), "--as", "sent", "--json").out)
    assert settled == {"changed": [row], "unchanged": []}
    assert "by-hand" in dripline("outbox", "list").out


def test_settings_hide_secrets_and_point_at_strays(dripline: Dripline, monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "DRIPLINE_SECRET": "hush", "DRIPLINE_HUBSPOT_TOKEN": "hush", "DRIPLINE_PROT": "1", "DRIPLINE_PORT": "99",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    text = dripline("settings")
    assert "hush" not in text.out
    assert "Nothing here uses DRIPLINE_PROT; did you mean DRIPLINE_PORT?" in text.err
    data = {row["variable"]: row for row in json.loads(dripline("settings", "--json").out)}
    assert data["DRIPLINE_PORT"]["value"] == "99"
    assert data["DRIPLINE_HUBSPOT_TOKEN"]["default"] == "(needed)"
    assert all(row["says"] for row in data.values())


def variables(dripline: Dripline) -> set[str]:
    return {row["variable"] for row in json.loads(dripline("settings", "--json").out)}


@pytest.mark.usefixtures("store")
def test_settings_list_the_variables_of_the_sources_that_the_rules_in_force_declare(dripline: Dripline):
    assert "DRIPLINE_PRODUCT_SECRET" in variables(dripline)
    assert "DRIPLINE_TYPEFORM_SECRET" not in variables(dripline)


def test_settings_list_the_variables_of_the_sources_in_this_folder_or_else_of_all(dripline: Dripline, tmp_path: Path):
    assert {"DRIPLINE_TYPEFORM_SECRET", "DRIPLINE_SENDGRID_VERIFICATION_KEY"} <= variables(dripline)
    write_files(tmp_path, BUNDLE)
    assert "DRIPLINE_PRODUCT_SECRET" in variables(dripline)
    assert "DRIPLINE_TYPEFORM_SECRET" not in variables(dripline)


@pytest.mark.usefixtures("store")
def test_health(dripline: Dripline, redis_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DRIPLINE_REDIS_URL", redis_url)
    assert dripline("health").out == "postgresql: ok\nredis: ok\n"
    monkeypatch.setenv("DRIPLINE_REDIS_URL", "unix:///nowhere")
    away = dripline("health", "--json")
    assert (away.code, json.loads(away.out)) == (0, {"redis": "away", "postgresql": "ok"})
    monkeypatch.setenv("DRIPLINE_DATABASE_URL", "postgresql://x@127.0.0.1:1/x")
    assert dripline("health").code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(dripline: Dripline, shell: str):
    script = dripline("completion", shell)
    assert (script.code, "_DRIPLINE_COMPLETE" in script.out) == (0, True)


def test_what_waits_for_a_person_is_shown_and_settled_by_one(dripline: Dripline, store: Engine):
    row = put_row(store, "ambiguous")
    assert json.loads(dripline("outbox", "list", "--unclear", "--json").out) == []
    assert "waiting for you" not in dripline("status").out
    with store.begin() as conn:
        assert outbox.leave_to_people(conn, datetime.now(UTC)) == 1
    (shown,) = json.loads(dripline("outbox", "list", "--unclear", "--json").out)
    assert (shown["id"], shown["state"], shown["reason"]) == (row, "ambiguous", "unproved")
    assert "1 that may have arrived: dripline outbox list --unclear" in dripline("status").out
    assert dripline("outbox", "settle", "1", "2", "--as", "sent", "--ref", "x").code == 2
    assert dripline("outbox", "settle", str(row), "--as", "sent", "--ref", "x-9").code == 0
    (shown,) = json.loads(dripline("outbox", "list", "--json").out)
    assert (shown["state"], shown["provider_ref"]) == ("sent", "x-9")


def test_completion_works():
    environ = os.environ | {"_DRIPLINE_COMPLETE": "bash_complete", "COMP_WORDS": "dripline qua", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout == "plain,quarantine\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["product", "{}"], 1, "DRIPLINE_PRODUCT_SECRET is not set): did you mean prodict?"),
        (["prodict", "{not JSON}"], 2, "BODY is not JSON"),
        (["prodict", "{}", "--url", "127.0.0.1:1"], 2, "--url is '127.0.0.1:1'"),
        (["prodict", "{}", "--url", "http://127.0.0.1:1"], 1, "nobody answers on http://127.0.0.1:1/hooks/prodict"),
        (["broken", "{}"], 1, "DRIPLINE_BROKEN_SECRET is no secret"),
    ],
)
def test_post_says_what_is_missing(
    dripline: Dripline, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
):
    monkeypatch.setenv("DRIPLINE_PRODICT_SECRET", PRODUCT_SECRET)
    monkeypatch.setenv("DRIPLINE_BROKEN_SECRET", "whsec_%%%")
    done = dripline("post", *arguments)
    assert done.code == code
    assert says in done.err
    assert "Traceback" not in done.err


def test_post_tells_the_answer_in_words(dripline: Dripline, monkeypatch: pytest.MonkeyPatch, closed_door: str):
    monkeypatch.setenv("DRIPLINE_PRODUCT_SECRET", PRODUCT_SECRET)
    done = dripline("post", "product", "{}", "--url", closed_door)
    assert (done.code, done.err) == (1, "404 No such webhook source: Add it.\n")


@pytest.fixture
def closed_door() -> Iterator[str]:
    """An address that answers every post with a problem."""

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"title": "No such webhook source", "detail": "Add it."}).encode()
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(404)
            self.send_header("content-type", "application/problem+json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# ── processes ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("command", ["web", "worker", "clock"])
def test_a_process_starts_says_so_and_stops_at_sigterm(
    command: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {
        "DRIPLINE_SECRET": "s" * 32, "DRIPLINE_REDIS_URL": redis_url, "DRIPLINE_DATA_DIR": str(tmp_path),
        "DRIPLINE_PORT": "0", "DRIPLINE_STATUS_PORT": "0", "DRIPLINE_EMAIL": "mailbox",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with subprocess.Popen([sys.executable, "-m", "workers.cli", command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any(json.loads(line)["event"] == f"{command}_started" for line in process.stderr)
        process.terminate()
        assert json.loads([*process.stderr][-1])["event"] == f"{command}_stopped"
        assert process.wait(30) == 0


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("command", ["web", "worker"])
def test_a_process_does_not_start_without_a_secret(dripline: Dripline, command: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DRIPLINE_PORT", "0")
    done = dripline(command)
    assert done.code == 1
    assert "DRIPLINE_SECRET has 0 characters" in done.err

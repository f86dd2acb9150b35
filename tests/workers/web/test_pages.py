from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from integrations.contracts import Mail
from integrations.email.mailbox import Adapter
from tests.conftest import NOW
from tests.workers.web.support import SECRET, running
from workers.store import leads, pauses, rulebooks
from workers.store.database import connect, transaction
from workers.store.leads import Lead
from workers.store.pauses import Pause
from workers.tokens import Unsubscribe, sign

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from tests.workers.web.support import Answer, Web
    from workers.clock import SteppedClock

NOT_THERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def ann(engine: Engine) -> str:
    """The path of Ann's unsubscribe link."""
    with transaction(engine) as conn:
        leads.add(conn, [Lead(7, 3, "ann@acme.test", {"stage": "<b>lead</b>"}, None)], 1, NOW)
    return "/unsubscribe/" + sign(SECRET, Unsubscribe(7, "mail:7:welcome:1:hello"))


def apply_rulebook(engine: Engine) -> None:
    with transaction(engine) as conn:
        rulebooks.apply(conn, "one", {"rules/account.yaml": ""}, author="t", message="", now=NOW)


def is_guarded(answer: Answer) -> bool:
    return (
        "default-src 'none'" in answer.headers["content-security-policy"]
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["referrer-policy"] == "no-referrer"
    )


# ── unsubscribe ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_at_the_link_does_nothing(web: Web, ann: str, method: str) -> None:
    answer = web.request(method, ann)
    assert answer.status == 200
    assert is_guarded(answer)
    assert ('<form method="post">' in answer.text) == (method == "GET")
    assert web.rows("SELECT FROM events") == []


ONE_CLICK = {"Content-Type": "application/x-www-form-urlencoded"}


def test_pressing_the_button_unsubscribes_once(web: Web, ann: str) -> None:
    for _ in range(2):
        answer = web.request("POST", ann, "List-Unsubscribe=One-Click", ONE_CLICK)
        assert answer.status == 200
        assert "You are unsubscribed" in answer.text
        assert is_guarded(answer)
    [(source, type_, subject, identities, properties)] = web.rows(
        "SELECT source, type, subject, identities, properties FROM events"
    )
    assert (source, type_, subject) == ("dripline", "email.unsubscribed", "email:ann@acme.test")
    assert identities == ["email:ann@acme.test", "message:mail:7:welcome:1:hello"]
    assert properties == {"message_key": "mail:7:welcome:1:hello"}
    assert web.rows("SELECT slice FROM inbox") == web.rows("SELECT slice FROM events")
    assert web.offered
    assert web.counted("dripline_unsubscribes_total", outcome="done") == 1
    assert web.counted("dripline_unsubscribes_total", outcome="again") == 1
    assert web.rows("SELECT email, reason FROM suppressions") == [("ann@acme.test", "unsubscribed")]


def test_somebody_who_came_back_can_unsubscribe_again_with_the_same_link(
    web: Web, ann: str, clock: SteppedClock
) -> None:
    web.request("POST", ann)
    clock.move_to(NOW.replace(day=20))
    web.request("POST", ann)
    assert len(web.rows("SELECT FROM events")) == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "token", ["x", "AAAA", "%00", "a/b", sign("another secret", Unsubscribe(7, "mail:7:welcome:1:hello"))]
)
def test_a_forged_link_leads_nowhere(web: Web, ann: str, method: str, token: str) -> None:
    assert ann
    assert web.request(method, f"/unsubscribe/{token}").status == 404
    assert web.rows("SELECT FROM events") == []


def test_a_lead_who_is_gone_hears_that_all_is_well(web: Web) -> None:
    path = "/unsubscribe/" + sign(SECRET, Unsubscribe(8, "mail:8:welcome:1:hello"))
    assert web.request("POST", path).status == 200
    assert web.rows("SELECT FROM events") == []


def test_other_methods_do_nothing(web: Web, ann: str) -> None:
    answer = web.request("DELETE", ann)
    assert answer.status == 405
    assert answer.json["type"] == "urn:dripline:problem:method-not-allowed"
    assert "POST" in answer.headers["allow"]


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_ready_means_database_and_rulebook(web: Web) -> None:
    assert web.get("/healthz").text == "ok\n"
    answer = web.get("/readyz")
    assert (answer.status, answer.json["type"]) == (503, "urn:dripline:problem:not-ready")
    assert "dripline apply" in answer.json["detail"]
    apply_rulebook(web.engine)
    assert web.get("/readyz").json == {"ready": True, "rulebook": "one"}


def test_a_database_without_tables_is_not_ready(server_url: str, clock: SteppedClock) -> None:
    engine = connect(server_url)
    with running(engine, clock) as web:
        assert "dripline migrate" in web.get("/readyz").json["detail"]
    engine.dispose()


def test_without_a_database_the_process_lives_and_says_so(clock: SteppedClock) -> None:
    engine = connect(NOT_THERE)
    path = "/unsubscribe/" + sign(SECRET, Unsubscribe(7, "mail:7:welcome:1:hello"))
    with running(engine, clock) as web:
        assert web.get("/healthz").status == 200
        assert web.get("/readyz").status == 503
        assert web.get("/").status == 503
        assert web.get(path).status == 200
        answer = web.request("POST", path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        answer = web.deliver("a")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.json["type"] == "urn:dripline:problem:unavailable"
        assert answer.json["detail"].startswith("The database does not answer. ")  # and not where it is
        assert web.counted("dripline_store_up") == 0
        assert web.counted("dripline_deliveries_total", source="plain", outcome="unavailable") == 1
    engine.dispose()


# ── how things stand ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_overview_shows_what_stands_and_escapes_it(web: Web, ann: str) -> None:
    assert ann
    apply_rulebook(web.engine)
    web.deliver("a", "b", "unreadable")
    answer = web.get("/")
    assert is_guarded(answer)
    assert "&lt;b&gt;lead&lt;/b&gt;" in answer.text
    assert "<b>lead" not in answer.text
    assert "no-identity" in answer.text
    assert "POST /hooks/plain" in answer.text
    assert "/mailbox" not in answer.text


def test_metrics_count_the_door_and_the_store(web: Web, ann: str) -> None:
    assert ann
    web.deliver("a", "b", "unreadable", "ignored")
    web.deliver("a")
    assert web.counted("dripline_deliveries_total", source="plain", outcome="accepted") == 2
    for result, number in {"accepted": 2, "duplicate": 1, "quarantined": 1, "ignored": 1}.items():
        assert web.counted("dripline_events_total", source="plain", result=result) == number
    assert web.counted("dripline_store_up") == 1
    assert web.counted("dripline_backlog") == 2
    assert web.counted("dripline_quarantine", reason="no-identity") == 1
    assert web.counted("dripline_leads", stage="<b>lead</b>") == 1


def test_candidates_for_promotion_are_counted_by_what_they_lack(web: Web, ann: str) -> None:
    assert ann
    assert "Candidates for promotion" not in web.get("/").text
    with web.engine.begin() as conn:
        conn.execute(text("UPDATE leads SET missing = ARRAY['budget', '<b>need</b>']"))
    with running(web.engine, web.clock) as other:
        shown = " ".join(other.get("/").text.split())
        assert '<h2>Candidates for promotion</h2> <table> <tr><td>Leads</td><td class="number">1</td></tr>' in shown
        assert "&lt;b&gt;need&lt;/b&gt;" in shown
        assert other.counted("dripline_candidates") == 1
        assert other.counted("dripline_candidates_lacking", what="budget") == 1


def test_providers_that_do_not_answer_are_shown_with_who_leaves_them_alone(web: Web) -> None:
    assert "do not answer" not in web.get("/").text
    with web.engine.begin() as conn:
        pauses.note(conn, "<b>one</b>:1", {"smtp": Pause(NOW, NOW + timedelta(minutes=1), 7), "ses": None}, NOW)
    with running(web.engine, web.clock) as other:
        shown = other.get("/").text
        assert "7 failures in a row since 2026-01-15 12:00:00 UTC" in shown
        assert "tried again at 12:01:00 UTC by &lt;b&gt;one&lt;/b&gt;:1" in shown
        assert other.counted("dripline_provider_paused", provider="smtp") == 1


def test_two_applications_in_one_process_count_apart(web: Web, engine: Engine, clock: SteppedClock) -> None:
    web.deliver("a")
    with running(engine, clock) as other:
        assert other.counted("dripline_deliveries_total", source="plain", outcome="accepted") == 0


def test_figures_are_on_a_port_of_their_own(engine: Engine, clock: SteppedClock, tmp_path: Path) -> None:
    with running(engine, clock, apart=True, mailbox=Adapter(folder=tmp_path)) as web:
        fake = {"Host": f"127.0.0.1:{web.status_port}", "X-Forwarded-Port": str(web.status_port)}
        for path in ("/", "/metrics", "/mailbox", f"http://127.0.0.1:{web.status_port}/metrics"):
            assert web.request("GET", path, headers=fake).status == 404
            assert web.request("GET", path, port=web.status_port).status == 200
        for port in (web.server.port, web.status_port):
            assert web.request("GET", "/healthz", port=port).status == 200
            assert web.request("GET", "/readyz", port=port).status == 503
            assert web.request("GET", "/unsubscribe/x", port=port).status == 404
        assert web.deliver("a").status == 202
        assert web.counted("dripline_deliveries_total", source="plain", outcome="accepted") == 1


def test_strangers_do_not_learn_where_the_database_is(clock: SteppedClock) -> None:
    engine = connect(NOT_THERE)
    with running(engine, clock, apart=True) as web:
        assert "127.0.0.1" not in web.get("/readyz").text
        assert "127.0.0.1" in web.request("GET", "/", port=web.status_port).text
    engine.dispose()


def test_there_is_nothing_else(web: Web) -> None:
    for path in ("/nothing", "/mailbox", "/hooks", "/unsubscribe/"):
        answer = web.get(path)
        assert (answer.status, answer.json["type"]) == (404, "urn:dripline:problem:not-found")
        assert is_guarded(answer)


# ── the mailbox ──────────────────────────────────────────────────────────────────────────────────────────────


def mail(key: str, **changes: Any) -> Mail:
    given = {
        "key": key, "sender": "Nora <nora@northwind.example>", "to": "ann@acme.test", "subject": "<i>Hello</i>",
        "text": "Hello <Ann>", "message_id": f"{key}@northwind.example",
    }  # fmt: skip
    return Mail(**given | changes)


def test_the_mailbox_shows_mails_and_runs_nothing_of_theirs(
    engine: Engine, clock: SteppedClock, tmp_path: Path
) -> None:
    box = Adapter(folder=tmp_path)
    with running(engine, clock, mailbox=box) as web:
        assert "No mail yet" in web.get("/mailbox").text
        name = box.send(mail("one", html="<p>Hello</p><script>alert(1)</script>")).ref
        assert "&lt;i&gt;Hello&lt;/i&gt;" in web.get("/mailbox").text
        shown = web.get(f"/mailbox/{name}")
        assert "Hello &lt;Ann&gt;" in shown.text
        assert f'src="/mailbox/{name}/html"' in shown.text
        part = web.get(f"/mailbox/{name}/html")
        assert "<script>" in part.text
        assert part.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert '<a href="/mailbox">' in web.get("/").text
        for missing in ("nothing.eml", "..%2fsecret.eml", "..%2f..%2fetc%2fpasswd"):
            assert web.get(f"/mailbox/{missing}").status == 404
            assert web.get(f"/mailbox/{missing}/html").status == 404

"""Campaigns that are stopped and let go on, by people and by numbers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.company import DAY, HOUR, Company
from workers import steering
from workers.steering import By
from workers.store import controls, outbox, status
from workers.sweep import Sweeper, sweep

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

TWO = "campaign: test\nenter: {event: trial.started}\nsteps: [{send: a}, {wait: 1 day}, {send: b}]\n"
PEOPLE = [f"p{n}" for n in range(60)]


def look(company: Company, now: datetime) -> int:
    return sweep(company.engine, now, lambda _: False, HOUR, company.library.rulebooks).resumed


@pytest.fixture
def company(engine: Engine) -> Company:
    """Everybody has had their first mail."""
    company = Company(engine, TWO)
    company.tell("trial.started", *PEOPLE)
    company.work()
    return company


def pause(company: Company) -> bool:
    with company.engine.begin() as conn:
        return steering.pause(conn, "test", By("ana", "a wrong mail", company.now))


def resume(company: Company, over: timedelta | None = None):
    with company.engine.begin() as conn:
        return steering.resume(conn, "test", By("ana", "", company.now), over)


def sent(company: Company) -> list[str]:
    return [mail.key.rsplit(":", 1)[1] for mail in company.mails()]


def test_a_paused_campaign_does_nothing_and_people_still_enter_and_leave(company: Company):
    assert (pause(company), pause(company)) == (True, False)
    company.tell("trial.started", "new")
    company.later(DAY)
    company.tell("email.unsubscribed", "p3")
    company.work()
    assert sent(company).count("send-b") == 0
    assert sent(company).count("send-a") == 60
    rows = company.rows("step, hold, outcome, reason, due IS NULL")
    assert rows["new"] == ("send-a", "paused", "", "", True)
    assert rows["p1"] == ("send-b", "paused", "", "", True)
    assert rows["p3"][2:4] == ("exited", "unsubscribed")
    assert company.counts()[("send-b", "held:paused")] == 60
    assert look(company, company.now + DAY) == 0


def test_those_who_were_held_go_on_one_after_the_other_each_at_a_time_of_its_own(company: Company):
    pause(company)
    company.later(DAY)
    decision = resume(company, 2 * HOUR)
    assert (decision.detail["held"], resume(company)) == (60, None)
    began = company.now
    assert look(company, began) == 60
    assert look(company, began) == 0
    gone = []
    for minutes in (0, 30, 60, 90, 120):
        company.work(began + timedelta(minutes=minutes))
        gone.append(sent(company).count("send-b"))
    assert gone[0] < gone[1] < gone[2] < gone[3] < gone[4] == 60
    assert all(abs(number - 60 * part / 4) < 15 for part, number in enumerate(gone))
    assert {row[1] for row in company.rows("outcome, hold").values()} == {""}
    assert company.counts()[("send-b", "resumed")] == 60


def test_a_second_pause_holds_those_who_had_their_time_and_they_get_another(company: Company):
    pause(company)
    company.later(DAY)
    resume(company, 2 * HOUR)
    assert look(company, company.now) == 60
    pause(company)
    company.later(3 * HOUR)
    assert sent(company).count("send-b") == 0
    resume(company, timedelta())
    assert look(company, company.now) == 60
    company.work()
    assert sent(company).count("send-b") == 60


def test_an_event_of_somebody_who_is_held_takes_them_along_and_nothing_is_done_twice(company: Company):
    pause(company)
    company.later(DAY)
    resume(company, 100 * DAY)
    company.tell("page.viewed", "p7")
    company.work()
    assert sent(company).count("send-b") == 1
    assert look(company, company.now) == 59
    company.later(100 * DAY)
    assert sent(company).count("send-b") == 60


def test_workers_load_what_was_decided_between_two_batches_and_only_then(company: Company):
    with company.engine.begin() as conn:
        before = company.library.rulebooks.active(conn)
        assert company.library.rulebooks.active(conn) is before
    pause(company)
    with company.engine.begin() as conn:
        after = company.library.rulebooks.active(conn)
        assert after.rulebook.controls.paused == {"test"}
        assert company.library.rulebooks.active(conn) is after
    company.apply(TWO.replace("1 day", "2 days"))
    assert company.library.active().controls.paused == {"test"}  # also by other rules
    with company.engine.connect() as conn:
        told = controls.history(conn, "test")
    assert [(each.what, each.author, each.reason, each.decided_at) for each in told] == [
        ("paused", "ana", "a wrong mail", NOW)
    ]


def test_the_clock_finds_those_who_are_held_by_index(company: Company):
    with company.engine.begin() as conn:
        conn.execute(text("""
            INSERT INTO enrolments SELECT n, 'c' || n % 50, '', 1, 'v', 's', NULL, CASE WHEN n % 9 = 0 THEN 'paused'
                                   ELSE '' END, '', '', now(), now()
            FROM generate_series(1000, 60000) n
        """))  # fmt: skip
        conn.execute(text("ANALYZE enrolments"))
        query = """
            SELECT lead_id FROM enrolments e
            WHERE e.campaign = 'c7' AND e.resumed_by < 5 AND e.hold LIKE 'paused%' AND e.outcome = ''
            ORDER BY e.resumed_by, e.lead_id LIMIT 100
        """
        plan = "\n".join(conn.scalars(text(f"EXPLAIN {query}")))
    assert "enrolments_held" in plan


# ── campaigns that stop by themselves ────────────────────────────────────────────────────────────────────────

WATCHFUL = TWO + "pause_when: {bounced: 20%, at_least: 10}\nowner: ops@acme.example\n"


def watch(company: Company, now: datetime | None = None) -> list[str]:
    with company.engine.begin() as conn:
        active = company.library.rulebooks.active(conn)
        return [each.reason for each in steering.watch(conn, active, now or company.now)]


def bounce(company: Company, mails: list[outbox.Row]) -> None:
    for mail in mails:
        who = company.scalar("SELECT split_part(email, '@', 1) FROM leads WHERE id = :i", {"i": mail.lead_id})
        company.tell("email.bounced", who, message_key=mail.key, kind="hard")
    company.work()


def told(company: Company) -> list[outbox.Row]:
    return [mail for mail in company.mails() if mail.key.startswith("notice:")]


def test_a_campaign_of_whose_mails_too_many_bounce_pauses_and_tells_its_owner_once(engine: Engine):
    company = Company(engine, WATCHFUL)
    company.tell("trial.started", *PEOPLE[:20])
    company.work()
    bounce(company, company.mails()[:3])
    assert watch(company) == []
    bounce(company, company.mails()[3:4])
    reason = "4 of 20 mails sent today bounced (20.0%, limit 20.0%)"
    assert (watch(company), watch(company)) == ([reason], [])
    (notice,) = told(company)
    with engine.begin() as conn:
        found = status.read(conn, company.now)
        (control, *_) = controls.history(conn, "test")
        claim = next(each for each in outbox.claim(conn, "email", company.now, limit=99, lease=HOUR)
                     if each.key == notice.key)  # fmt: skip
    assert found.paused == {"test": reason}
    assert (control.author, control.detail["shares"][0]["number"]) == ("dripline", 4)
    assert (claim.payload["to"], claim.payload["subject"]) == (
        "ops@acme.example", "The campaign test has paused itself"
    )  # fmt: skip
    assert reason in claim.payload["text"]
    company.later(DAY)
    assert sent(company).count("send-b") == 0


def test_what_was_known_when_it_was_resumed_is_not_held_against_it_and_what_comes_then_is(engine: Engine):
    company = Company(engine, WATCHFUL)
    company.tell("trial.started", *PEOPLE[:20])
    company.work()
    bounce(company, company.mails()[:10])
    assert len(watch(company)) == 1
    resume(company)
    assert watch(company) == []
    company.tell("trial.started", *PEOPLE[20:32])
    company.work()
    fresh = [mail for mail in company.mails() if mail.key.endswith("send-a")][20:]
    bounce(company, fresh[:2])
    assert watch(company) == []
    bounce(company, fresh[2:3])
    assert watch(company) == ["3 of 12 mails sent today bounced (25.0%, limit 20.0%)"]
    assert len(told(company)) == 2


def test_what_is_told_late_of_mails_from_before_the_day_it_was_resumed_is_not_held_against_it(engine: Engine):
    company = Company(engine, WATCHFUL.replace("at_least: 10", "at_least: 10, days: 7"))
    company.tell("trial.started", *PEOPLE[:30])
    company.work()
    old = company.mails()
    bounce(company, old[:10])
    assert len(watch(company)) == 1
    company.later(2 * DAY)
    resume(company)
    company.tell("trial.started", *PEOPLE[30:45])
    company.work()
    bounce(company, old[10:30])
    assert watch(company) == []
    fresh = [mail for mail in company.mails() if mail.key.endswith("send-a")][30:]
    bounce(company, fresh[:6])
    assert watch(company) == ["6 of 15 mails sent within 7 days bounced (40.0%, limit 20.0%)"]


def test_old_days_fewer_mails_and_other_rules_pause_nobody(engine: Engine):
    company = Company(engine, WATCHFUL)
    company.tell("trial.started", *PEOPLE[:9])
    company.work()
    bounce(company, company.mails())
    assert watch(company) == []  # only nine were sent
    company.tell("trial.started", *PEOPLE[9:20])
    company.work()
    assert watch(company, company.now + DAY) == []  # a day later, today is another day
    company.apply(TWO)
    assert watch(company) == []
    company.apply(WATCHFUL.replace("bounced: 20%", "complained: 20%, failed: 20%"))
    assert watch(company) == []
    company.apply(WATCHFUL.replace("at_least: 10", "at_least: 10, days: 2"))
    assert watch(company, company.now + DAY) == ["9 of 20 mails sent within 2 days bounced (45.0%, limit 20.0%)"]


def test_mails_that_cannot_be_sent_pause_it_too_and_sales_are_told_of_a_campaign_that_is_nobodys(engine: Engine):
    company = Company(engine, TWO + "pause_when: {failed: 30%, at_least: 3}\n")
    company.tell("trial.started", *PEOPLE[:4])
    company.work()
    with engine.begin() as conn:
        claims = outbox.claim(conn, "email", NOW, limit=2, lease=HOUR)
        reasons = ["rejected", "exhausted"]
        settled = [outbox.Outcome(c.id, c.number, "dead", why) for c, why in zip(claims, reasons, strict=True)]
        outbox.settle(conn, settled, NOW)
    assert watch(company) == ["2 of 4 mails sent today failed (50.0%, limit 30.0%)"]
    assert company.scalar("SELECT payload ->> 'to' FROM outbox WHERE key LIKE 'notice:%'") == "ana@acme.example"


def test_several_clocks_decide_once(engine: Engine):
    company = Company(engine, WATCHFUL)
    company.tell("trial.started", *PEOPLE[:10])
    company.work()
    bounce(company, company.mails())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: watch(company), range(8)))
    assert sum(map(len, found)) == 1
    assert len(told(company)) == 1


def test_the_sweeper_watches_every_few_seconds(engine: Engine):
    company = Company(engine, WATCHFUL)
    sweeper = Sweeper(engine, lambda _: False, HOUR, company.library.rulebooks)
    company.tell("trial.started", *PEOPLE[:10])
    company.work()
    sweeper.sweep(company.now)
    bounce(company, company.mails())
    sweeper.sweep(company.now + timedelta(seconds=5))
    assert told(company) == []
    sweeper.sweep(company.now + timedelta(seconds=10))
    assert len(told(company)) == 1


# ── runs that new rules overtake ─────────────────────────────────────────────────────────────────────────────

WAITING = (
    "campaign: test\nenter: {event: trial.started}\nsteps: [{wait_until: {event: email.clicked, at_most: 30 days}}]\n"
)


def overtake(company: Company) -> int:
    with company.engine.begin() as conn:
        return steering.overtake(conn, company.library.rulebooks.active(conn), company.now)


def test_an_edit_that_takes_people_along_reaches_those_who_sleep(engine: Engine):
    company = Company(engine, WAITING)
    company.tell("trial.started", *PEOPLE[:20])
    company.work()
    assert overtake(company) == 0
    company.apply(TWO)
    assert overtake(company) == 0  # pinned
    company.apply(TWO.replace("send: b", "send: c") + "edit: {move: {wait-until-email-clicked: send-c}}\n")
    assert (overtake(company), overtake(company)) == (20, 0)
    company.work()
    assert sent(company) == ["send-c"] * 20
    assert overtake(company) == 0


def test_whoever_is_held_by_rules_that_are_lost_leaves_and_is_counted(company: Company):
    pause(company)
    company.later(DAY)
    company.tell("trial.started", "new")
    company.work()
    with company.engine.begin() as conn:
        conn.execute(text("UPDATE rulebook_versions SET files = '{}'"))
    company.library = type(company.library)(company.engine, company.library._links)
    company.apply("campaign: other\nenter: {event: form.submitted}\nsteps: [{send: a}]\n")
    assert overtake(company) == 61
    company.work()
    assert {row[1:] for row in company.rows().values()} == {("exited", "campaign-gone")}
    counts = company.counts()
    assert (counts[("send-b", "exited:campaign-gone")], counts[("send-a", "exited:campaign-gone")]) == (60, 1)
    assert overtake(company) == 0

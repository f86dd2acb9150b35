"""Campaigns that are stopped and let go on, by people and by numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.company import DAY, HOUR, Company
from workers import steering
from workers.steering import By
from workers.store import controls
from workers.sweep import sweep

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

"""What becomes of people in campaigns is counted, and where they stand is kept to be looked at."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.company import DAY, HOUR, Company
from tests.workers.test_pipeline_crashes import Crash, crash, sabotaged
from workers.engine.campaigns.runs import campaign_of
from workers.engine.values import LeadState, instant
from workers.rulebook.journey import test_of as name_of_test
from workers.rulebook.journey import ways
from workers.store import campaign_counts, evidence, outbox
from workers.store.campaign_counts import DELIVERY, Happened, utc_day
from workers.store.evidence import Evidence
from workers.store.outbox import Outcome
from workers.sweep import Sweeper

if TYPE_CHECKING:
    from sqlalchemy import Engine

EVERYTHING = """
campaign: test
enter: {event: trial.started}
again: 3 days
hold_out: 20%
goal: {event: form.submitted, when: event.form == "demo"}
exit: [{event: email.replied}]
steps:
  - send: a
  - wait_until: {event: email.clicked, at_most: 2 days}
    then: [{send: b}]
    else: [{wait: 1 day}]
  - split:
      arms:
        short: {steps: [{send: c}]}
        long: {weight: 2, steps: [{wait: 1 day}, {send: d}]}
      measure: {event: page.viewed, within: 7 days}
    id: which
  - branch:
      - when: lead.employees > 10
        steps: [{end: big}]
  - wait: 1 day
  - end: done
"""
PLAIN = "campaign: test\nenter: {event: trial.started}\nsteps: [{send: a}, {wait: 1 day}, {send: b}]\n"


def test_a_run_is_kept_as_it_stands_and_each_thing_counts_at_its_step(engine: Engine):
    company = Company(engine, PLAIN)
    company.tell("trial.started", "ann", "ben")
    company.work()
    assert company.rows("campaign, run, step, due, outcome") == {
        "ann": ("test", 1, "send-b", NOW + DAY, ""), "ben": ("test", 1, "send-b", NOW + DAY, ""),
    }  # fmt: skip
    company.tell("email.unsubscribed", "ben")
    company.work()
    assert company.rows()["ben"] == ("send-b", "exited", "unsubscribed")
    company.later(DAY)
    company.tell("trial.started", "ann")
    company.work()
    assert company.rows()["ann"] == ("", "finished", "")
    assert company.counts() == {
        ("", "entered"): 2, ("send-a", "sent"): 2, ("wait-1-day", "waiting"): 2, ("send-b", "exited:unsubscribed"): 1,
        ("send-b", "sent"): 1, ("", "finished"): 1, ("", "not_entered:once-only"): 1,
    }  # fmt: skip


def test_arms_are_counted_for_the_test_that_they_are_part_of(engine: Engine):
    company = Company(engine, EVERYTHING)
    people = [f"p{n}" for n in range(40)]
    company.tell("trial.started", *people)
    company.work()
    company.later(2 * DAY)
    company.later(DAY)
    company.tell("page.viewed", *people[:20])
    company.tell("page.viewed", *people[:20])
    company.work()
    campaign = company.library.active().campaigns["test"]
    test = name_of_test(campaign, campaign.by_id["which"])
    counts = company.counts()
    arms = {arm: counts[("which", f"arm:{test}:{arm}")] for arm in ("short", "long")}
    entered, held_out = counts[("", "entered")], counts[("", "held_out")]
    assert entered + held_out == 40
    assert sum(arms.values()) == entered
    taken = {name: state.arms["which"][0] for name in people if (state := company.state(name).enrolments["test"]).arms}
    assert Counter(taken.values()) == arms
    for arm in arms:
        assert counts[("which", f"success:{test}:{arm}")] == sum(taken.get(name) == arm for name in people[:20])
    company.apply(EVERYTHING.replace("{send: d}", "{send: a}"))
    campaign = company.library.active().campaigns["test"]
    assert name_of_test(campaign, campaign.by_id["which"]) != test  # another arm is another test


def test_ways_are_named_as_the_decisions_name_them(engine: Engine):
    campaign = Company(engine, EVERYTHING).library.active().campaigns["test"]
    assert {step.id: [(way.name, way.to) for way in ways(campaign, step)] for step in campaign.steps} == {
        "send-a": [("", "wait-until-email-clicked")],
        "wait-until-email-clicked": [("then", "send-b"), ("else", "wait-1-day")],
        "send-b": [("", "which")],
        "wait-1-day": [("", "which")],
        "which": [("short", "send-c"), ("long", "wait-1-day-2")],
        "send-c": [("", "branch")],
        "wait-1-day-2": [("", "send-d")],
        "send-d": [("", "branch")],
        "branch": [("1", "end-big"), ("none", "wait-1-day-3")],
        "end-big": [("", "")],
        "wait-1-day-3": [("", "end-done")],
        "end-done": [("", "")],
    }


def test_the_goal_is_counted_for_those_held_out_too(engine: Engine):
    company = Company(engine, EVERYTHING)
    people = [f"p{n}" for n in range(60)]
    company.tell("trial.started", *people)
    company.work()
    company.tell("form.submitted", *people, form="demo")
    company.work()
    counts = company.counts()
    assert (counts[("", "goal")], counts[("", "goal:held_out")]) == (counts[("", "entered")], counts[("", "held_out")])
    assert counts[("", "held_out")] > 3


# ── what becomes of mails ────────────────────────────────────────────────────────────────────────────────────


def test_what_becomes_of_a_mail_counts_once_at_its_step_and_on_its_day(engine: Engine):
    company = Company(engine, PLAIN)
    company.tell("trial.started", "ann", "ben", "cem")
    company.work()
    keys = {row.lead_id: row.key for row in company.mails()}
    ids = {name: company.scalar("SELECT id FROM leads WHERE email = :e", {"e": f"{name}@acme.test"}) for name in
           ("ann", "ben", "cem")}  # fmt: skip
    company.now += DAY - HOUR
    for _ in range(3):
        company.tell("email.opened", "ann", message_key=keys[ids["ann"]])
    company.tell("email.clicked", "ann", message_id=f"{outbox.message_name(keys[ids['ann']])}@acme.example")
    company.tell("email.clicked", "ben", message_key=keys[ids["ben"]], machine=True)
    company.tell("email.clicked", "ben", message_key=keys[ids["ann"]])  # somebody else's mail
    company.tell("email.bounced", "ben", message_key=keys[ids["ben"]], kind="soft")
    company.tell("email.bounced", "cem", message_key=keys[ids["cem"]], kind="hard")
    company.tell("email.complained", "cem", message_key="mail:9:test:1:send-a")  # we never sent that
    company.work()
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT step, what, day, n FROM campaign_counts WHERE day = :d"), {"d": NOW.date()})
        mails = {what: (step, n) for step, what, _, n in rows if what in evidence.SEEN}
    assert mails == {"opened": ("send-a", 1), "clicked": ("send-a", 1), "bounced": ("send-a", 1)}
    assert company.scalar("SELECT count(*) FROM campaign_counts WHERE what = 'bounced' AND day > :d", {"d": NOW}) == 0


def test_mails_that_did_not_go_out_are_counted_by_delivery_with_the_reason(engine: Engine):
    company = Company(engine, PLAIN)
    company.tell("trial.started", "ann", "ben", "cem")
    company.work()
    with engine.begin() as conn:
        claims = outbox.claim(conn, "email", NOW, limit=9, lease=HOUR)
        ends = [("dead", "rejected"), ("skipped", "template"), ("sent", "")]
        outcomes = [Outcome(c.id, c.number, state, reason) for c, (state, reason) in zip(claims, ends, strict=True)]
        outbox.settle(conn, outcomes, NOW + DAY)
        outbox.settle(conn, outcomes, NOW + DAY)  # a late repetition changes nothing
    counts = company.counts()
    assert counts[("send-a", "failed:rejected")] == 1
    assert counts[("send-a", "unsent:template")] == 1
    assert company.scalar("SELECT array_agg(DISTINCT slice) FROM campaign_counts WHERE what LIKE '%:%'") == [-1]


def test_proof_and_news_in_one_event_do_both(engine: Engine):
    company = Company(engine, PLAIN)
    company.tell("trial.started", "ann")
    company.work()
    (mail,) = company.mails()
    with engine.begin() as conn:
        (claim,) = outbox.claim(conn, "email", NOW, limit=9, lease=HOUR)
        outbox.settle(conn, [Outcome(claim.id, claim.number, "ambiguous", "unknown")], NOW)
        told = Evidence(7, mail.lead_id, key=mail.key, seen=evidence.SEEN["opened"])
        proved = evidence.prove(conn, [told, told], NOW)
        assert (proved.rows, [(each.what, n) for each, n in proved.became.items()]) == (1, [("opened", 1)])
        assert evidence.prove(conn, [told], NOW) == (0, {})
    assert company.mails()[0].state == "sent"


# ── the law: both are what the states and the log say ────────────────────────────────────────────────────────

TYPES = ["trial.started", "trial.started", "email.clicked", "page.viewed", "email.replied", "form.submitted"]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**9))
def test_rows_are_what_the_states_say_and_counts_what_the_log_says(engine: Engine, seed: int):
    with engine.begin() as conn:
        conn.execute(text("TRUNCATE leads, identities, decisions, outbox, enrolments, campaign_counts, inbox, events"))
    chance, company = random.Random(seed), Company(engine, EVERYTHING)
    names = [f"{seed}-{n}" for n in range(12)]
    for turn in range(12):
        who = chance.sample(names, 4)
        if turn == 6:
            company.apply(EVERYTHING.replace("{send: c}", "{send: a}"))
        company.tell(chance.choice(TYPES), *who, form="demo", lead={"employees": chance.choice([5, 50])})
        company.work(batch=chance.choice([1, 3, 100]))
        company.later(timedelta(hours=chance.randrange(60)))
    assert kept(engine) == standing(engine)
    assert company.counts() == counted(company)


def kept(engine: Engine) -> set[tuple[Any, ...]]:
    columns = "lead_id, campaign, key, run, version, step, due, hold, outcome, reason, entered_at"
    with engine.connect() as conn:
        return {tuple(row) for row in conn.execute(text(f"SELECT {columns} FROM enrolments"))}


def standing(engine: Engine) -> set[tuple[Any, ...]]:
    with engine.connect() as conn:
        states = {row.id: LeadState.load(row.state) for row in conn.execute(text("SELECT id, state FROM leads"))}
    return {
        (lead, campaign_of(name), run.key, run.run, run.version, run.step, run.due and instant(run.due), run.hold,
         run.outcome, run.reason, instant(run.entered))
        for lead, state in states.items() for name, run in state.enrolments.items()
    }  # fmt: skip


PLAIN_WORDS = {"enrolled": "entered", "held_out": "held_out"}


def counted(company: Company) -> Counter[tuple[str, str]]:
    """The log counted by other means, tests by the only thing that tells them apart here: when they were."""
    with company.engine.connect() as conn:
        query = """
            SELECT d.kind, d.rule, d.detail, d.lead_id, d.decided_at FROM decisions d
            WHERE split_part(rule, '.', 1) = 'test' ORDER BY id
        """
        rows = conn.execute(text(query)).all()
    found: Counter[tuple[str, str]] = Counter()
    version: dict[tuple[int, int], str] = {}
    archive = {v: c for (_, v), c in company.library.active().archive.items()}
    archive |= {c.version: c for c in company.library.active().campaigns.values()}
    for kind, rule, detail, lead, _ in rows:
        step = rule.partition(".")[2]
        if kind in {"enrolled", "held_out"}:
            version[lead, detail["run"]] = detail["campaign_version"]
        campaign = archive.get(version.get((lead, detail.get("run", 0)), ""))
        test = name_of_test(campaign, campaign.by_id["which"]) if campaign else ""
        words = {
            **PLAIN_WORDS, "goal_reached": "goal" + (":held_out" if detail.get("held_out") else ""),
            "split": f"arm:{test}:{detail.get('arm')}", "measured": f"success:{test}:{detail.get('arm')}",
            "branched": f"took:{detail.get('took') or 'none'}", "not_enrolled": f"not_entered:{detail.get('reason')}",
            "exited": f"exited:{detail.get('reason')}", "skipped": f"skipped:{detail.get('reason')}",
            "finished": f"finished:{detail['outcome']}" if "outcome" in detail else "finished",
        }  # fmt: skip
        found[step or (detail["step"] if kind == "exited" else ""), words.get(kind, kind)] += 1
    return found


@pytest.mark.parametrize("at", range(0, 24, 3))
def test_whatever_makes_a_batch_fail_nothing_is_counted_twice_or_lost(database_url: str, engine: Engine, at: int):
    company = Company(engine, PLAIN)
    company.tell("trial.started", "ann")
    with sabotaged(database_url, at, crash) as victim:
        company.engine = victim
        with suppress(Crash):
            company.work()
        company.engine = engine
    company.work()
    assert company.counts()[("send-a", "sent")] == 1
    assert company.rows()["ann"] == ("send-b", "", "")


# ── folding ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_old_counts_are_folded_by_day_and_month_and_every_sum_stays(engine: Engine):
    today = utc_day(NOW)
    days = [today - timedelta(days=ago) for ago in (0, 1, 3, 30, 100, 101, 130, 400)]
    with engine.begin() as conn:
        for shard in (DELIVERY, 0, 7, 30):
            counts = {
                Happened(name, step, what, day): 3
                for day in days
                for name, step, what in (("one", "a", "sent"), ("one", "b", "arm:x:y"), ("two", "", "entered"))
            }
            campaign_counts.add(conn, shard, counts)
        before = campaign_counts.totals(conn, "one"), campaign_counts.lately(conn, ["one", "two"], today - 90 * DAY)
    sweeper = Sweeper(engine, lambda _: False, HOUR)
    sweeper.sweep(NOW)
    with engine.begin() as conn:
        after = campaign_counts.totals(conn, "one"), campaign_counts.lately(conn, ["one", "two"], today - 90 * DAY)
        rows = conn.execute(text("SELECT what, day, slice, n FROM campaign_counts WHERE day < :day"), {"day": days[1]})
        found = sorted((what, day.isoformat(), shard, n) for what, day, shard, n in rows)
    assert after == before
    assert {shard for _, _, shard, _ in found} == {-2}
    months = sorted({day.replace(day=1).isoformat() for day in days[4:]} | {day.isoformat() for day in days[2:4]})
    assert [day for what, day, _, _ in found if what == "sent"] == months
    assert [day for what, day, _, _ in found if what == "arm:x:y"] == sorted(day.isoformat() for day in days[2:])


def test_what_comes_late_for_a_folded_day_is_folded_too_and_rows_that_somebody_is_at_are_left(engine: Engine):
    day = utc_day(NOW) - timedelta(days=9)
    late = {Happened("one", "a", "bounced", day): 1}
    with engine.begin() as conn:
        campaign_counts.add(conn, 1, late)
        campaign_counts.add(conn, 2, late)
    with engine.begin() as busy:
        campaign_counts.add(busy, 2, late)
        with engine.begin() as conn:
            assert campaign_counts.fold(conn, day + DAY, day, 100) == 1
    with engine.begin() as conn:
        assert campaign_counts.fold(conn, day + DAY, day, 100) == 1
        assert campaign_counts.fold(conn, day + DAY, day, 100) == 0
        assert campaign_counts.totals(conn, "one") == {("a", "bounced"): 3}

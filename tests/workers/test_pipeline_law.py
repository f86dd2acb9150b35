"""The law: a stored score is a function of the event log, whatever happened on the way there."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from math import fsum, inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import NOW, connected
from tests.workers.engine.builders import DAY_MICROS, model, points, rulebook, says
from tests.workers.engine.test_scoring import DECAYS, worth
from tests.workers.processing import InForce
from tests.workers.test_pipeline_crashes import Crash, crash, sabotaged, terminate
from workers.clock import SteppedClock
from workers.engine.rules import Group, Limit, Part
from workers.engine.standing import Standing
from workers.engine.values import LeadState, micros
from workers.exceptions import StoreUnavailable
from workers.pipeline import process_slice, process_together
from workers.store import events, leads
from workers.store.events import NewEvent
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Engine

PEOPLE = range(2)
SLICES = sorted({slice_of(f"{kind}{n}{end}") for n in PEOPLE for kind, end in [("email:p", "@acme.test"), ("c:", "")]})
MOMENT = micros(NOW)


class Happened(NamedTuple):
    at: int
    type: str
    who: int
    form: str
    machine: bool
    by_cookie: bool
    number: int


class Rule(NamedTuple):
    """What a rule says, once for the rulebook and once for the reference."""

    points: float
    decay: str
    limits: Mapping[str, Any] = MappingProxyType({})
    slot: Callable[[Happened], Any] = lambda _: None
    most: float = inf
    every: int = 1


FORM = says(lambda event, _, __: event.get("form"))
RULES = {
    "form.submitted": Rule(40, "half-life", {"limit": Limit(1, FORM, "week")}, lambda e: (e.form, week(e)), 1),
    "page.viewed": Rule(2.5, "expiry", {"limit": Limit(2, None, "day")}, lambda e: e.at // DAY_MICROS, 2),
    "chat.started": Rule(7, "steps", {"every": 3}, every=3),
    "webinar.attended": Rule(11, "keep", {"limit": Limit(1, FORM)}, lambda e: e.form, 1),
    "email.clicked": Rule(9, "half-life"),
    "email.unsubscribed": Rule(-50, "keep"),
}


def week(e: Happened) -> int:
    return (e.at // DAY_MICROS + 3) // 7


def from_scratch(story: Sequence[Happened]) -> float:
    """The reference: every event that counts, at what it is worth now."""
    signs = [e.at for e in story if not machine(e) and e.type != "email.unsubscribed"]
    used: Counter[Any] = Counter()
    total = []
    for e in sorted(story):
        rule = RULES[e.type]
        if not machine(e) or any(e.at <= sign <= e.at + DAY_MICROS for sign in signs):
            used[e.type, rule.slot(e)] += 1
            number = used[e.type, rule.slot(e)]
            if number <= rule.most and number % rule.every == 0:
                total.append(worth(rule.decay, rule.points, e.at, MOMENT))
    return fsum(total)


def machine(e: Happened) -> bool:
    return e.machine and e.type == "email.clicked"


def book(scoring: str, factor: float) -> Any:
    parts = tuple(Part(decay, DECAYS[decay]) for decay in DECAYS)
    rules = tuple(
        points(kind, rule.points * factor, part=rule.decay, decay=DECAYS[rule.decay], **rule.limits)
        for kind, rule in RULES.items()
    )
    endless = model(minimum=-1e9, maximum=1e9, bands=(), groups=(Group("all", parts),))
    given = {"rules": rules, "engagement": endless, "campaigns": (), "promotion": None, "credit": DAY_MICROS}
    return replace(rulebook(**given, scoring=scoring), version=scoring)


BEFORE, AFTER = book("before", 3), book("after", 1)


def story_of(seed: int, size: int) -> list[Happened]:
    """What happened, as one throw of many dice: drawing every one of them would leave most of them at nought."""
    chance = random.Random(seed)
    return [
        Happened(
            at=MOMENT - chance.randrange(chance.choice([2, 300]) * DAY_MICROS),
            type=chance.choice(sorted(RULES)),
            who=chance.choice(PEOPLE),
            form=chance.choice("ab"),
            machine=chance.random() < 0.7,
            by_cookie=chance.random() < 0.5,
            number=number,
        )
        for number in range(size)
    ]


STORIES = st.builds(story_of, st.integers(0, 2**32), st.integers(1, 40))


@dataclass(frozen=True)
class Course:
    """How the same events come in, and what happens meanwhile; with `switch_at` the rules change during that turn."""

    seed: int
    arriving: int
    batch: int
    threads: int
    kill_every: int
    switch_at: int | None


COURSES = st.builds(
    Course,
    seed=st.integers(0, 2**32),
    arriving=st.integers(1, 12),
    batch=st.integers(1, 20),
    threads=st.integers(1, 3),
    kill_every=st.integers(0, 12),
    switch_at=st.one_of(st.none(), st.integers(0, 3)),
)


def row(e: Happened) -> NewEvent:
    who = (f"c:{e.who}",) if e.by_cookie else (f"email:p{e.who}@acme.test",)
    at = NOW - timedelta(microseconds=MOMENT - e.at)
    return NewEvent("law", f"{e.number}", e.type, at, who[0], who, {"form": e.form, "machine": e.machine})


def link(who: int) -> NewEvent:
    """Nothing but: these two are one."""
    both = (f"email:p{who}@acme.test", f"c:{who}")
    return NewEvent("law", f"link-{who}", "email.delivered", NOW, both[0], both)


def append(engine: Engine, *batch: NewEvent) -> None:
    with engine.begin() as conn:
        events.append(conn, batch, NOW)


class Run:
    """One course of one story."""

    def __init__(self, url: str, engine: Engine, competitors: Engine, course: Course) -> None:
        self.url, self.engine, self.competitors, self.course = url, engine, competitors, course
        self.chance = random.Random(course.seed)
        self.rules = InForce(AFTER if course.switch_at is None else BEFORE)

    def go(self, story: Sequence[Happened]) -> None:
        with self.engine.begin() as conn:
            conn.execute(text("TRUNCATE events, event_keys, inbox, leads, identities, decisions, outbox, quarantine"))
        append(self.engine, *map(link, PEOPLE))
        self.work()
        rest, turn = self.chance.sample(story, len(story)), 0
        while rest:
            if turn == self.course.switch_at:
                self.rules.rulebook = AFTER
            now, rest = rest[: self.course.arriving], rest[self.course.arriving :]
            append(self.engine, *map(row, now), *map(row, self.chance.choices(story, k=2)))
            self.work()
            turn += 1
        append(self.engine, *map(row, story))
        self.rules.rulebook = AFTER
        self.finish()

    def work(self) -> None:
        """Some workers, in any order, one of whom may be killed at any statement."""
        seeds = [self.chance.random() for _ in range(self.course.threads)]
        with ThreadPoolExecutor(self.course.threads) as threads:
            list(threads.map(lambda seed: self.slices(self.competitors, seed), seeds))
        if self.course.kill_every:
            how = self.chance.choice([crash, terminate])
            at = self.chance.randrange(self.course.kill_every * 4)
            with sabotaged(self.url, at, how) as victim, suppress(Crash, StoreUnavailable):
                self.slices(victim, self.chance.random())

    def slices(self, engine: Engine, seed: float) -> None:
        chance = random.Random(seed)
        chosen = chance.sample(SLICES, chance.randrange(len(SLICES) + 1))
        if len(chosen) > 1 and chance.random() < 0.5:
            process_together(engine, chosen, self.rules, SteppedClock(NOW), batch=self.course.batch)
        for slice_ in chosen:
            process_slice(engine, slice_, self.rules, SteppedClock(NOW), batch=self.course.batch)

    def finish(self) -> None:
        """Everything that is left, and whoever is still counted by the rules of before."""
        with self.engine.begin() as conn:
            leads.wake_outdated(conn, "after", NOW, 1000)
        for slice_ in SLICES:
            process_slice(self.engine, slice_, self.rules, SteppedClock(NOW))
        with self.engine.begin() as conn:
            assert leads.outdated(conn, "after") == 0
            assert conn.scalar(text("SELECT count(*) FROM inbox")) == 0

    def score(self, who: int) -> float:
        with self.engine.connect() as conn:
            lead = leads.find(conn, f"c:{who}")
        assert lead is not None
        return Standing(LeadState.load(lead.state), AFTER, NOW).score("engagement")


@pytest.fixture
def competitors(database_url: str) -> Any:
    with connected(database_url) as engine:
        yield engine


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STORIES, COURSES)
def test_a_stored_score_equals_the_sum_from_scratch(database_url, engine, competitors, story, course) -> None:
    run = Run(database_url, engine, competitors, course)
    run.go(story)
    for who in PEOPLE:
        theirs = [e for e in story if e.who == who]
        assert run.score(who) == pytest.approx(from_scratch(theirs), abs=2e-6)

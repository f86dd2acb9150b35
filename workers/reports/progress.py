"""How a campaign is doing: who stands where, what has happened at each step, and whether it reaches its goal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.engine.pausing import LONGEST, known_before, let_go_on, shares
from workers.reports import trials
from workers.reports.campaigns import state
from workers.reports.rates import Difference, Rate, difference, rate
from workers.rulebook.journey import NO_WAY, test_of, ways
from workers.rulebook.wording import told, word_of
from workers.store import campaign_counts, controls, enrolments
from workers.store.campaign_counts import utc_day
from workers.store.controls import PAUSED
from workers.store.evidence import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.pausing import Share
    from workers.engine.rules import Campaign, Rulebook
    from workers.engine.steps import Step
    from workers.reports.trials import TrialProgress
    from workers.rulebook.journey import Way
    from workers.store.controls import Control
    from workers.store.enrolments import Standing

    Counts = Mapping[tuple[str, str], int]

WAITING: Final = frozenset({"", "until"})
"""How runs stand that wait for their time, or for something to happen."""


@dataclass(frozen=True, slots=True)
class WayOn:
    """A way on from a step.

    Attributes:
        name: number of the branch, `then`, `else`, or the arm of a split; `none` where no way was open; or empty.
        to: id of the step that it leads to; empty for the end.
        when: the condition, or empty.
        weight: of an arm, its part of all; None elsewhere.
        taken: how often; None where nobody counts it.
    """

    name: str
    to: str
    when: str
    weight: float | None
    taken: int | None


@dataclass(frozen=True, slots=True)
class StepProgress:
    """A step of the campaign as it is now.

    Attributes:
        word: `send`, `wait`, …
        told: what it does, in a few words.
        here: runs that stand here, of all versions of the campaign that have this step.
        holds: how many of them are held for which reason (`quiet-hours`, `cap`, `paused`).
        due: when the next of them goes on.
        happened: how often what has happened here.
        ways: where it leads.
        after: id of the step behind it and everything inside it; empty for the end.
    """

    id: str
    word: str
    told: str
    here: int
    holds: Mapping[str, int]
    due: datetime | None
    happened: Mapping[str, int]
    ways: tuple[WayOn, ...]
    after: str

    @property
    def sent(self) -> int:
        """Mails so far."""
        return self.happened.get("sent", 0)


@dataclass(frozen=True, slots=True)
class Gone:
    """Runs at a step that the campaign does not have any more, in an older version."""

    version: str
    step: str
    here: int


@dataclass(frozen=True, slots=True)
class GoalProgress:
    """How many reached the goal: those who took part, and those held out, who were sent nothing.

    Attributes:
        told: what the goal is.
        taking_part, held_out: the shares, with 95% intervals.
        lift: how much higher the first is, with its interval; None if nobody is held out.
    """

    told: str
    taking_part: Rate
    held_out: Rate | None
    lift: Difference | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A campaign as it is now.

    Attributes:
        state: `running`, `paused`, `draining` or `removed`.
        version: of the campaign in force; empty for a removed one.
        enter, exits: how it begins and ends, in words.
        entered, held_out, under_way: runs.
        finished: by outcome.
        left: by what ended the run.
        turned_away: by the reason why somebody did not enter.
        mails: `sent`, and what became of them.
        steps: in the order of the file.
        gone: runs at steps that there are no more.
        goal: None if it has none.
        shares: what `pause_when` looks at, as it is.
        days: over how many days.
        tests: the A/B tests in it.
        paused: who paused it, and why; None if nobody did.
        decided: what was decided about it, latest first.
    """

    name: str
    state: str
    version: str
    rulebook: str
    enter: tuple[str, ...]
    exits: tuple[str, ...]
    entered: int
    held_out: int
    under_way: int
    finished: Mapping[str, int]
    left: Mapping[str, int]
    turned_away: Mapping[str, int]
    mails: Mapping[str, int]
    steps: tuple[StepProgress, ...]
    gone: tuple[Gone, ...]
    goal: GoalProgress | None
    shares: tuple[Share, ...]
    days: int
    tests: tuple[TrialProgress, ...]
    paused: Control | None
    decided: tuple[Control, ...] = field(default=())

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data; named tuples are written out."""
        data = asdict(self)
        if self.goal:
            data["goal"] = {
                "told": self.goal.told, "taking_part": as_rate(self.goal.taking_part),
                "held_out": self.goal.held_out and as_rate(self.goal.held_out),
                "lift": self.goal.lift and {**self.goal.lift._asdict(), "certain": self.goal.lift.certain},
            }  # fmt: skip
        data["tests"] = [test.as_data() for test in self.tests]
        data["shares"] = [{**each._asdict(), "share": each.share} for each in self.shares]
        return data


def as_rate(found: Rate) -> dict[str, Any]:
    """A share as JSON-ready data."""
    return {**found._asdict(), "share": found.share}


def read(conn: Connection, name: str, rulebook: Rulebook, now: datetime) -> Progress:
    """The campaign as it is now, by the rules in force."""
    campaign = rulebook.campaigns.get(name)
    counts = campaign_counts.totals(conn, name)
    standing = enrolments.standing(conn, name)
    latest = controls.latest(conn)
    control = latest.get((name, ""))
    paused = control if control and control.what == PAUSED else None
    ids = set(campaign.by_id) if campaign else set()
    steps = [step_progress(campaign, step, counts, standing) for step in campaign.steps] if campaign else []
    rule = campaign.pause_when if campaign else None
    return Progress(
        name=name,
        state=state(campaign, paused),
        version=campaign.version if campaign else "",
        rulebook=rulebook.version,
        enter=tuple(map(told, campaign.enter)) if campaign else (),
        exits=tuple(map(told, campaign.exits)) if campaign else (),
        entered=counts.get(("", "entered"), 0),
        held_out=counts.get(("", "held_out"), 0),
        under_way=sum(each.runs for each in standing),
        finished=summed(counts, "finished"),
        left=summed(counts, "exited"),
        turned_away=summed(counts, "not_entered"),
        mails=mails(counts),
        steps=tuple(steps),
        gone=tuple(gone(standing, ids)),
        goal=goal(campaign, counts),
        shares=tuple(shares_now(conn, campaign, control, now)),
        days=rule.days if rule else 0,
        tests=tuple(trials.read(conn, campaign, latest, now)) if campaign else (),
        paused=paused,
        decided=tuple(controls.history(conn, name)),
    )


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────


def step_progress(campaign: Campaign, step: Step, counts: Counts, standing: list[Standing]) -> StepProgress:
    """A step as it is now."""
    here = [each for each in standing if each.step == step.id]
    holds: Counter[str] = Counter()
    for each in here:
        if each.hold not in WAITING:
            holds[each.hold] += each.runs
    happened = {what: number for (at, what), number in sorted(counts.items()) if at == step.id}
    return StepProgress(
        id=step.id,
        word=word_of(step),
        told=told(step),
        here=sum(each.runs for each in here),
        holds=dict(holds),
        due=min((each.due for each in here if each.due), default=None),
        happened=happened,
        ways=tuple(way_on(campaign, step, way, happened) for way in ways(campaign, step)),
        after=campaign.following[step.id],
    )


def way_on(campaign: Campaign, step: Step, way: Way, happened: Mapping[str, int]) -> WayOn:
    """A way on, and how often it was taken. An arm counts for the test as it is now, and since it was decided."""
    taken = None
    if way.name:
        taken = happened.get(f"took:{way.name}", 0)
        if way.weight is not None:
            taken += happened.get(f"arm:{test_of(campaign, step)}:{way.name}", 0)
    return WayOn("otherwise" if way.name == NO_WAY else way.name, way.to, way.when, way.weight, taken)


def gone(standing: list[Standing], ids: set[str]) -> Iterator[Gone]:
    """Runs at steps that there are no more. Whoever has only the end before them stands at no step."""
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for each in standing:
        if each.step and each.step not in ids:
            found[each.version, each.step] += each.runs
    for (version, step), runs in sorted(found.items()):
        yield Gone(version, step, runs)


def goal(campaign: Campaign | None, counts: Counts) -> GoalProgress | None:
    """How many reached the goal, and how many did without any mail."""
    if campaign is None or campaign.goal is None:
        return None
    taking_part = rate(counts.get(("", "goal"), 0), counts.get(("", "entered"), 0))
    without = counts.get(("", "held_out"), 0)
    held_out = rate(counts.get(("", "goal:held_out"), 0), without) if campaign.hold_out or without else None
    lift = difference(taking_part, held_out) if held_out and held_out.of and taking_part.of else None
    return GoalProgress(told(campaign.goal.trigger), taking_part, held_out, lift)


def mails(counts: Counts) -> dict[str, int]:
    """The mails of all steps, and what became of them."""
    found: Counter[str] = Counter()
    for (_, what), number in counts.items():
        word = what.partition(":")[0]
        if word in {"sent", "failed", "unsent", "skipped", *SEEN}:
            found[word] += number
    return dict(found)


def summed(counts: Counts, word: str) -> dict[str, int]:
    """What stands behind the colon of a word, over all steps, the most frequent first."""
    found: Counter[str] = Counter()
    for (_, what), number in counts.items():
        if what == word or what.startswith(f"{word}:"):
            found[what.partition(":")[2]] += number
    return dict(found.most_common())


def shares_now(conn: Connection, campaign: Campaign | None, control: Control | None, now: datetime) -> list[Share]:
    """What `pause_when` looks at, as the clock sees it."""
    if campaign is None or campaign.pause_when is None:
        return []
    today = utc_day(now)
    counts = campaign_counts.lately(conn, [campaign.name], today - timedelta(days=LONGEST))
    before = known_before(control.detail) if control else {}
    resumed = let_go_on(control.detail, control.decided_at) if control else None
    return shares(campaign.pause_when, counts[campaign.name], before, today, resumed)

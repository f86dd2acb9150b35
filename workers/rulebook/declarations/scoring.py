"""Scores: what earns points, how points lose their worth, and the bands of a score."""

# ruff: noqa: TC001  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from workers.rulebook.declarations.examples import EXAMPLES, Example
from workers.rulebook.notations import Instant, Limited
from workers.rulebook.shape import HOLE, NAME, Shape, Source, Text, about

MOST_POINTS: Final = 10_000
MOST_SCORE: Final = 1_000_000
SHORTEST_HALF_LIFE: Final = timedelta(days=1)
"""Sums are exact integers of about one bit for each half-life of a history: shorter ones would not stay small."""
BAND: Final = (r"[A-Za-z0-9][A-Za-z0-9_-]*", "letters, digits, - and _")


@dataclass(frozen=True)
class Band(Shape):
    """A named stretch of a score. Whoever is in it stays until the score falls below `leave`, so nobody flips.

    Bands lie inside each other: a lead that falls out of `hot` may still be `warm`.
    """

    title = "a band"
    frame = f"score: interest\nbands:\n  hot:\n    {HOLE}\nrules:\n  demo: {{event: form.submitted, points: 40}}"
    enter: float = field(metadata=about("entered at this score", example="70"))
    leave: float = field(metadata=about("left below this score", example="55"))
    hold: timedelta | None = field(
        default=None,
        metadata=about("the score must have been there so long before the band is entered", example="1 hour"),
    )
    cool_down: timedelta | None = field(
        default=None, metadata=about("once left, the band is not entered again for so long", example="7 days")
    )


@dataclass(frozen=True)
class Steps(Shape):
    """Points lose a part of their worth at the end of every so many days."""

    title = "decay by steps"
    frame = f"score: interest\ndecay:\n  {HOLE}\nrules:\n  demo: {{event: form.submitted, points: 40}}"
    percent: int = field(metadata=about("how much they lose each time", least=1, most=99, example="20"))
    every: timedelta = field(metadata=about("how often", least=SHORTEST_HALF_LIFE, example="7 days"))


HALF_LIFE: Final = about("points lose half their worth in this time", least=SHORTEST_HALF_LIFE, example="30 days")
DECAY: Final = about(
    "points lose a part of their worth in steps; `none`: they keep it", example="{percent: 20, every: 7 days}"
)
EXPIRE: Final = about("points are gone after so many days", least=timedelta(days=1), example="90 days")
SCORE_BOUND: Final = {"least": -MOST_SCORE, "most": MOST_SCORE}
Numbers = tuple[float, float]
Decay = Literal["none"] | Steps


@dataclass(frozen=True)
class Group(Shape):
    """Rules that share a range, so that no one kind of behaviour makes up the whole score."""

    title = "a group of rules"
    frame = f"""\
score: interest
groups:
  web:
    {HOLE}
rules:
  page: {{event: page.viewed, points: 2, group: web}}
"""
    range: Numbers = field(metadata=about("lowest and highest sum of its rules", example="[0, 30]", **SCORE_BOUND))


@dataclass(frozen=True)
class Rule(Shape):
    """Points: for an event, or, without `event`, for what is true of the lead now.

    Points for an event depend on that event alone (`event.…`), so that the order in which events arrive cannot change a
    score. What a rule without `event` asks may be fields, counts of events, and segments of these.
    """

    title = "a rule of a score"
    frame = f"score: interest\nrules:\n  pricing-viewed:\n    {HOLE}"
    shown = ("event",)
    points: int | Source = field(
        metadata=about(
            "whole points, may be negative; or an expression that gives a number, kept between -10,000 and 10,000, or "
            "as `between` says. Where it has no value the rule gives nothing, and `dripline explain` says so",
            least=-MOST_POINTS,
            most=MOST_POINTS,
            example="5",
        )
    )
    event: Text | None = field(default=None, metadata=about("the type of event that earns them", example="page.viewed"))
    when: Source | None = field(
        default=None, metadata=about("only if this is true", example="'\"/pricing\" in event.url'")
    )
    limit: Limited | None = field(
        default=None,
        metadata=about(
            "only so many events count, the earliest of each hour, day, week (Monday to Sunday), month (all in UTC) or "
            "block of time, and of each key: `once`, `3 times`, `once per event.form`, `3 per day`, "
            "`2 per event.url per week`, `1 per 14 days`. The first 500 keys of a lead in each stretch of time "
            "(or ever) are told apart; events with further ones do not count, and are recorded",
            example="3 per day",
        ),
    )
    every: int | None = field(
        default=None,
        metadata=about(
            "only every so many events count: with 3 the third, the sixth, …", least=2, most=1_000, example="3"
        ),
    )
    between: Numbers | None = field(
        default=None,
        metadata=about(
            "lowest and highest points, for points that are an expression", least=-MOST_POINTS, most=MOST_POINTS,
            example="[0, 50]", beside=("points: event.amount / 100", "event: order.placed"),
        ),
    )  # fmt: skip
    since: Instant | None = field(
        default=None,
        metadata=about("only events from this day or instant on", key="from", example="2026-03-01"),
    )
    until: Instant | None = field(
        default=None, metadata=about("only events before this day or instant", example="2026-06-01")
    )
    group: Text | None = field(
        default=None,
        metadata=about(
            "the group whose range it shares; declared under `groups`",
            example="web",
            frame=f"score: interest\ngroups: {{web: {{range: [0, 30]}}}}\nrules:\n  pricing-viewed:\n    {HOLE}",
        ),
    )
    range: Numbers | None = field(
        default=None, metadata=about("lowest and highest sum of this rule alone", example="[0, 40]", **SCORE_BOUND)
    )
    half_life: timedelta | None = field(default=None, metadata={"about": HALF_LIFE["about"]})
    decay: Decay | None = field(default=None, metadata=DECAY)
    expire: timedelta | None = field(default=None, metadata=EXPIRE)


@dataclass(frozen=True)
class ScoreFile(Shape):
    """A score: the sum of the points of its rules, or a formula over other scores. A company may have any number.

    The number depends on what has happened and on nothing else: not on when we heard of it, nor in which order.
    """

    title = "a score"
    shown = ("rules",)
    score: Text = field(metadata=about("its name", pattern=NAME, example="interest"))
    rules: dict[Text, Rule] = field(
        default_factory=dict,
        metadata=about(
            "what earns points, by name", pattern=NAME,
            example='\n  demo-requested: {event: form.submitted, when: event.form == "demo", points: 40}\n'
            "  big-company: {when: lead.employees >= 1000, points: 20}",
        ),
    )  # fmt: skip
    formula: Source | None = field(
        default=None,
        metadata=about(
            "instead of rules: the score is worked out of other scores, fields and counts",
            example='score("fit") * 0.4 + score("engagement") * 0.6',
            beside=("rules",),
        ),
    )
    half_life: timedelta | None = field(default=None, metadata=HALF_LIFE)
    decay: Decay | None = field(default=None, metadata=DECAY)
    expire: timedelta | None = field(default=None, metadata=EXPIRE)
    range: Numbers = field(
        default=(0.0, 100.0), metadata=about("lowest and highest score", example="[-20, 200]", **SCORE_BOUND)
    )
    groups: dict[Text, Group] = field(
        default_factory=dict,
        metadata=about(
            "groups of rules that share a range, by name", pattern=NAME, example="{web: {range: [0, 30]}}",
            beside=("rules: {page: {event: page.viewed, points: 2, group: web}}",),
        ),
    )  # fmt: skip
    bands: dict[Text, Band] = field(
        default_factory=dict,
        metadata=about(
            "bands by name", pattern=BAND, example="{warm: {enter: 30, leave: 20}, hot: {enter: 70, leave: 55}}"
        ),
    )
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)

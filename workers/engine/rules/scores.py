"""Score models and what they are made of; grades, and segments."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from workers.engine.decay import KEEP, units
from workers.engine.rules.conditions import Expression
from workers.engine.rules.derived import derive

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.decay import Decay
    from workers.engine.rules.conditions import Ask


@dataclass(frozen=True, slots=True)
class Band:
    """A named stretch of a score with hysteresis: entered at `enter` and above, left below `leave`.

    Attributes:
        hold: microseconds for which the score must have been there before the band is entered.
        cool_down: microseconds after leaving the band before it can be entered again.
    """

    name: str
    enter: float
    leave: float
    hold: int = 0
    cool_down: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """Only so many events count: the earliest `most` of each key in each window.

    Attributes:
        key: what makes events alike (`event.form`); None counts all together.
        window: `hour`, `day`, `week` or `month` of UTC, or microseconds of a block; None for ever.
    """

    most: int
    key: Expression | None = None
    window: str | int | None = None


@dataclass(frozen=True, slots=True)
class EventRule:
    """Points for an event. `id` is `<model>.<rule>`; `when` None means always.

    Attributes:
        part: which of the model's sums the points go to.
        decay: how that sum loses its worth.
        points: a number, or an expression over the event, then kept between `least` and `most`.
        limit, every: which of several such events count (`every` 3: the third, the sixth, …).
        since, until: microseconds between which an event must have happened.
        units: the points in the unit that is added up, if every event counts and all of them alike; else None.
    """

    id: str
    model: str
    event: str
    points: float | Expression
    when: Expression | None = None
    part: str = ""
    decay: Decay = KEEP
    least: float = -10_000
    most: float = 10_000
    limit: Limit | None = None
    every: int = 1
    since: int | None = None
    until: int | None = None
    units: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        plain = self.since is None and self.until is None and not self.ordered
        derive(self, "units", units(self.points) if plain and not isinstance(self.points, Expression) else None)

    @property
    def ordered(self) -> bool:
        """True if which events count depends on the others."""
        return self.limit is not None or self.every > 1


@dataclass(frozen=True, slots=True)
class ProfileRule:
    """Points for what is true of the lead now. `id` is `<model>.<rule>`."""

    id: str
    model: str
    points: float | Expression
    when: Expression
    least: float = -10_000
    most: float = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """One sum of entries that lose their worth alike, with a clamp of its own."""

    name: str
    decay: Decay
    minimum: float = float("-inf")
    maximum: float = float("inf")


@dataclass(frozen=True, slots=True)
class Group:
    """Parts and profile rules that share a clamp."""

    name: str
    parts: tuple[Part, ...] = ()
    profile_rules: tuple[ProfileRule, ...] = ()
    minimum: float = float("-inf")
    maximum: float = float("inf")


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """A named score: of events, of the profile, of both, or a formula over other scores.

    Attributes:
        minimum, maximum: the clamp, applied when the score is read, like those of groups and parts.
        bands: from lowest `enter` to highest; `band_of` has them by name, and `ranks` their places from 1, 0 for none.
        groups: what is added up; empty for a formula.
        parts, profile_rules: those of all groups; `fading` are the parts that lose their worth.
        free: True if no part and no group has a clamp of its own.
        asks: what its formula and its profile rules look at.
    """

    name: str
    minimum: float
    maximum: float
    bands: tuple[Band, ...] = ()
    groups: tuple[Group, ...] = ()
    formula: Expression | None = None
    band_of: Mapping[str | None, Band] = field(init=False, repr=False, compare=False)
    ranks: Mapping[str | None, int] = field(init=False, repr=False, compare=False)
    parts: tuple[Part, ...] = field(init=False, repr=False, compare=False)
    fading: tuple[Part, ...] = field(init=False, repr=False, compare=False)
    profile_rules: tuple[ProfileRule, ...] = field(init=False, repr=False, compare=False)
    free: bool = field(init=False, repr=False, compare=False)
    asks: frozenset[Ask] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out once what every event asks for."""
        derive(self, "band_of", {band.name: band for band in self.bands})
        derive(self, "ranks", {None: 0} | {band.name: rank for rank, band in enumerate(self.bands, 1)})
        derive(self, "parts", tuple(part for group in self.groups for part in group.parts))
        derive(self, "fading", tuple(part for part in self.parts if part.decay is not KEEP))
        derive(self, "profile_rules", tuple(rule for group in self.groups for rule in group.profile_rules))
        profile = [each for rule in self.profile_rules for each in (rule.when, rule.points)]
        asking = [each for each in (self.formula, *profile) if isinstance(each, Expression)]
        derive(self, "asks", frozenset().union(*(each.asks for each in asking)))
        clamped: list[Part | Group] = [*self.parts, *self.groups]
        derive(self, "free", all(each.minimum == -inf and each.maximum == inf for each in clamped))


@dataclass(frozen=True, slots=True)
class Grade:
    """A label made of the bands of one or two models: `A1` for band `A` of fit and band `1` of engagement."""

    name: str
    models: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition on a lead; also used as a persona."""

    name: str
    when: Expression

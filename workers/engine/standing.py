"""Where a lead stands at one instant: scores, bands, grades, segments and counts, computed when first asked for."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from workers.engine import counters
from workers.engine.decay import PRECISION
from workers.engine.outlook import Sums, passes
from workers.engine.rules import Expression
from workers.engine.scoring import NO_EVENT, band_at, part_sums
from workers.engine.values import instant, micros

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.counters import Span
    from workers.engine.outlook import Between
    from workers.engine.rules import ProfileRule, Rulebook, ScoreModel
    from workers.engine.values import LeadState


NO_POINTS: Final[dict[str, float]] = {}


class Standing:
    """Answers what expressions ask (`Facts`). It sees the state it was given as it is when asked.

    Args:
        state: read, never changed.
        rulebook: the rules in force.
        now: aware.
        moment: the same in microseconds, where the caller knows it.
        settled: True if the state's segments are those that these very rules put the lead into.
    """

    __slots__ = (
        "_lasting", "_later", "_moment", "_now", "_passing", "_passing_profile", "_profile", "_rulebook", "_scores",
        "_segments", "_state", "_whole",
    )  # fmt: skip

    def __init__(
        self, state: LeadState, rulebook: Rulebook, now: datetime, moment: int | None = None, *, settled: bool = False
    ) -> None:
        self._state = state
        self._rulebook = rulebook
        self._now = now
        self._moment = micros(now) if moment is None else moment
        self._scores: dict[str, float] = {}
        self._segments: dict[str, bool] = {}
        self._lasting: list[str] | None = None
        self._passing: list[str] = []
        self._whole: list[str] = []
        if settled:
            self._whole, unmoved = state.segments, rulebook.unmoved
            self._lasting = [name for name in self._whole if name in unmoved]
            self._passing = [name for name in self._whole if name not in unmoved]
        self._profile: dict[str, dict[str, float]] = {}
        self._passing_profile: dict[str, dict[str, float]] = {}
        self._later: Standing | None = None

    def turn(self, now: datetime, moment: int) -> None:
        """Look at another instant. What depends on the lead's fields alone stays known."""
        self._now, self._moment = now, moment
        self.forget()

    def forget(self, *, fields: bool = False) -> None:
        """Compute anew what is asked for, because events were taken in; with `fields`, what fields say, too."""
        if self._scores:
            self._scores.clear()
        if self._segments:
            self._segments.clear()
        if self._passing_profile:
            self._passing_profile.clear()
        if fields:
            self._lasting = self._later = None
            self._profile.clear()

    @property
    def now(self) -> datetime:
        """The instant of the decision, aware."""
        return self._now

    @property
    def stage(self) -> str:
        """The lifecycle stage, empty before the first event."""
        return self._state.stage

    def score(self, model: str) -> float:
        """The model's score now, clamped to its range; 0 for a model that the rulebook does not have."""
        known = self._scores.get(model)
        if known is None:
            rules = self._rulebook.models.get(model)
            if rules is None:
                known = 0.0
            elif rules.formula is None:
                profile = self.profile(rules) if rules.profile_rules else NO_POINTS
                known = part_sums(rules, self._state.scores, profile, self._moment)
            else:
                known = self._formula(rules, rules.formula)
            self._scores[model] = known
        return known

    def band(self, model: str) -> str | None:
        """The band that the lead is in, or None."""
        return self._state.bands.get(model)

    def grade(self, name: str) -> str | None:
        """The grade's label, or None while one of its models is in no band."""
        grade = self._rulebook.grades.get(name)
        bands = [self.band(model) for model in grade.models] if grade else [None]
        if grade is None or None in bands:
            return None
        letters = "".join(map(str, bands))
        return grade.labels.get(letters, letters)

    def segment(self, name: str) -> bool:
        """True if the lead is in the segment."""
        known = self._segments.get(name)
        if known is None:
            segment = self._rulebook.segments.get(name)
            held = segment is not None and segment.when.value(NO_EVENT, self._state.fields, self) is True
            known = self._segments[name] = held
        return known

    def segments(self) -> list[str]:
        """The segments that the lead is in."""
        fields, rulebook = self._state.fields, self._rulebook
        names, held = rulebook.passing
        passing = list(compress(names, held(NO_EVENT, fields, self)))
        if self._lasting is None:
            self._lasting = self._by_fields_alone()
        elif passing == self._passing:
            return self._whole
        self._passing, order = passing, rulebook.places
        self._whole = sorted([*self._lasting, *passing], key=order.__getitem__)
        return self._whole

    def _by_fields_alone(self) -> list[str]:
        """The lead's segments that depend on nothing else."""
        names, held = self._rulebook.lasting
        return list(compress(names, held(NO_EVENT, self._state.fields, self)))

    def count(self, event: str, within: Span | None = None) -> int:
        """How many events of a type, ever or within a span that ends now."""
        return counters.count(self._state, event, within, self._moment)

    def distinct(self, event: str, name: str, within: Span | None = None) -> int:
        """How many different values a property had."""
        return counters.distinct(self._state, event, name, within, self._moment)

    def first(self, event: str, within: Span | None = None) -> datetime | None:
        """When the first event of a type happened, ever or within a span that ends now; or None."""
        at = counters.first(self._state, event, within, self._moment)
        return None if at is None else instant(at)

    def last(self, event: str, within: Span | None = None) -> datetime | None:
        """When the latest event of a type happened; None if there was none, or none within a span that ends now."""
        at = counters.last(self._state, event, within, self._moment)
        return None if at is None else instant(at)

    def days_since(self, event: str, within: Span | None = None) -> float | None:
        """Days since the latest event of a type; None if there was none, or none within a span that ends now."""
        at = counters.last(self._state, event, within, self._moment)
        return None if at is None else (self._moment - at) / counters.DAY

    def profile(self, model: ScoreModel) -> dict[str, float]:
        """The points of each profile rule of the model that holds now."""
        profiles = self._profile if model.name in self._rulebook.steady else self._passing_profile
        known = profiles.get(model.name)
        if known is None:
            rules, held = self._rulebook.profiles[model.name]
            holding = compress(rules, held(NO_EVENT, self._state.fields, self))
            known = {rule.id: points for rule in holding if (points := self._points(rule)) is not None}
            profiles[model.name] = known
        return known

    def without_value(self, model: ScoreModel) -> list[str]:
        """The profile rules of the model that hold now and give nothing, because their points have no value."""
        rules, held = self._rulebook.profiles[model.name]
        given = self.profile(model)
        holding = compress(rules, held(NO_EVENT, self._state.fields, self))
        return [rule.id for rule in holding if rule.id not in given]

    def band_now(self, model: ScoreModel) -> str | None:
        """The band that the lead belongs in by its score now, hysteresis included, hold and cool-down left out."""
        return band_at(model.bands, self._state.bands.get(model.name), self.score(model.name))

    def passes(self, model: ScoreModel, between: Between, before: int) -> int | None:
        """When time alone takes a score of sums past one of two numbers, up to `before`; None if it does not."""
        profile = self.profile(model) if model.profile_rules else NO_POINTS
        end = min(self._moment + self._rulebook.horizon, before)
        return passes(Sums(model, self._state.scores, profile, self._moment), between, end)

    def at(self, moment: int) -> Standing:
        """The same lead at a later instant, if nothing happens to it and it stays in its bands."""
        later = self._later
        if later is None:
            later = self._later = Standing(self._state, self._rulebook, instant(moment), moment)
        else:
            later.turn(instant(moment), moment)
        return later

    def _points(self, rule: ProfileRule) -> float | None:
        """The points of a rule that holds; None where its expression has no value."""
        if not isinstance(rule.points, Expression):
            return rule.points
        value = rule.points.value(NO_EVENT, self._state.fields, self)
        return min(rule.most, max(rule.least, value)) if isinstance(value, int | float) else None

    def _formula(self, model: ScoreModel, formula: Expression) -> float:
        return round(in_range(model, formula.value(NO_EVENT, self._state.fields, self)), PRECISION)


def in_range(model: ScoreModel, value: Any) -> float:
    """What a formula came to as a score of the model; 0 where it has no value."""
    return min(model.maximum, max(model.minimum, float(value))) if isinstance(value, int | float) else 0.0

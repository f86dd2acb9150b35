"""Where a lead stands at one instant: scores, bands, grades, segments and counts, computed when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine import counters
from workers.engine.decay import KEEP, PRECISION
from workers.engine.rules import Expression
from workers.engine.scoring import NO_EVENT, band_at, course, falls_below, part_sums, plain_part
from workers.engine.values import instant, micros

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.counters import Span
    from workers.engine.decay import Course
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
    """

    __slots__ = ("_moment", "_now", "_profile", "_rulebook", "_scores", "_segments", "_state")

    def __init__(self, state: LeadState, rulebook: Rulebook, now: datetime, moment: int | None = None) -> None:
        self._state = state
        self._rulebook = rulebook
        self._now = now
        self._moment = micros(now) if moment is None else moment
        self._scores: dict[str, float] = {}
        self._segments: dict[str, bool] = {}
        self._profile: dict[str, dict[str, float]] = {}

    def forget(self) -> None:
        """Compute everything anew when it is asked for, because the state has changed."""
        self._scores.clear()
        self._segments.clear()
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
        fields, tests = self._state.fields, self._rulebook.tests
        found = [name for name, test in tests if test(NO_EVENT, fields, self) is True]
        self._segments = {**dict.fromkeys(self._rulebook.segments, False), **dict.fromkeys(found, True)}
        return found

    def count(self, event: str, within: Span | None = None) -> int:
        """How many events of a type, ever or within a span that ends now."""
        return counters.count(self._state, event, within, self._moment)

    def distinct(self, event: str, name: str, within: Span | None = None) -> int:
        """How many different values a property had."""
        return counters.distinct(self._state, event, name, within, self._moment)

    def first(self, event: str) -> datetime | None:
        """When the first event of a type happened, or None."""
        seen = self._state.counts.get(event)
        return instant(seen[1]) if seen else None

    def last(self, event: str) -> datetime | None:
        """When the latest event of a type happened, or None."""
        seen = self._state.counts.get(event)
        return instant(seen[2]) if seen else None

    def days_since(self, event: str) -> float | None:
        """Days since the latest event of a type, or None."""
        seen = self._state.counts.get(event)
        return (self._moment - seen[2]) / counters.DAY if seen else None

    def profile(self, model: ScoreModel) -> dict[str, float]:
        """The points of each profile rule of the model that holds now."""
        known = self._profile.get(model.name)
        if known is None:
            known, fields = {}, self._state.fields
            for rule in model.profile_rules:
                if rule.when.value(NO_EVENT, fields, self) is True and (points := self._points(rule)) is not None:
                    known[rule.id] = points
            self._profile[model.name] = known
        return known

    def band_now(self, model: ScoreModel) -> str | None:
        """The band that the lead belongs in by its score now, hysteresis included, hold and cool-down left out."""
        return band_at(model.bands, self._state.bands.get(model.name), self.score(model.name))

    def band_ends(self, model: ScoreModel, before: int | None = None) -> int | None:
        """When decay alone takes the lead out of its present band, in microseconds.

        None if it never does, or not before an instant at which the lead is looked at again anyway.
        """
        name = self._state.bands.get(model.name)
        leave = next((band.leave for band in model.bands if band.name == name), None)
        if leave is None or leave <= model.minimum:
            return None
        part, sums = plain_part(model, self._state.scores), self._state.scores
        if part is not None:
            offset = sum(self.profile(model).values())
            return part.decay.falls_below(sums[part.name], leave - offset, self._moment)
        if model.formula is None and not any(sums.get(each.name) and each.decay is not KEEP for each in model.parts):
            return None
        end = self._moment + self._rulebook.horizon
        return falls_below(self.course(model), leave, self._moment, end if before is None else min(end, before))

    def course(self, model: ScoreModel) -> Course:
        """The score at later instants, if nothing but decay happens: what rules say of the lead now stays true."""
        if model.formula is None:
            return course(model, self._state.scores, self.profile(model), self._moment)
        later, formula = _Later(self), model.formula

        def at(moment: int) -> float:
            later.moment = moment
            return in_range(model, formula.value(NO_EVENT, self._state.fields, later))

        return at

    def course_of(self, name: str) -> Course:
        """The same for a model by its name; 0 for one that the rulebook does not have."""
        model = self._rulebook.models.get(name)
        return (lambda _: 0.0) if model is None else self.course(model)

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


class _Later:
    """A lead at a later instant: its scores have decayed, everything else is as it was.

    Attributes:
        moment: the instant, microseconds.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._courses: dict[str, Course] = {}
        self.moment = 0

    def __getattr__(self, name: str) -> Any:
        """Everything else that expressions ask."""
        return getattr(self._standing, name)

    def score(self, model: str) -> float:
        """The model's score then."""
        course = self._courses.get(model)
        if course is None:
            course = self._courses[model] = self._standing.course_of(model)
        return course(self.moment)

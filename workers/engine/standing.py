"""Where a lead stands at one instant: scores, bands and stage, computed when first asked for and then remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.scoring import band_at, clamp, falls_below, profile_points, reading
from workers.engine.values import micros

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.rules import Rulebook, ScoreModel
    from workers.engine.values import LeadState


class Standing:
    """Answers what expressions ask (`Facts`). It sees the state it was given as it is when asked.

    Args:
        state: read, never changed.
        rulebook: the rules in force.
        now: aware.
    """

    __slots__ = ("_now", "_rulebook", "_scores", "_state")

    def __init__(self, state: LeadState, rulebook: Rulebook, now: datetime) -> None:
        self._state = state
        self._rulebook = rulebook
        self._scores: dict[str, float] = {}
        self._now = now

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
            known = self._scores[model] = self._read(self._rulebook.models.get(model))
        return known

    def band(self, model: str) -> str | None:
        """The band that the lead is in, or None."""
        return self._state.bands.get(model)

    def band_now(self, model: ScoreModel) -> str | None:
        """The band that the lead belongs in by its score now, hysteresis included."""
        return band_at(model.bands, self._state.bands.get(model.name), self.score(model.name))

    def band_ends(self, model: ScoreModel) -> int | None:
        """When decay alone takes the lead out of its present band, in microseconds; None if it never does."""
        name = self._state.bands.get(model.name)
        leave = next((band.leave for band in model.bands if band.name == name), None)
        if leave is None or leave <= model.minimum:
            return None
        threshold = leave - profile_points(model, self._state.fields, self)
        return falls_below(self._state.scores.get(model.name, 0), model.half_life, threshold, micros(self.now))

    def _read(self, model: ScoreModel | None) -> float:
        if model is None:
            return 0.0
        raw = reading(self._state.scores.get(model.name, 0), model.half_life, micros(self.now))
        if model.profile_rules:
            raw += profile_points(model, self._state.fields, self)
        return clamp(model, raw)

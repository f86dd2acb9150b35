"""One call of the engine: the private copy of the lead's state it works on, and the decisions it collects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.standing import Standing
from workers.engine.values import Decision, LeadState, micros

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from workers.engine.rules import EventRule, Rulebook
    from workers.engine.rules.intake import Earned
    from workers.engine.values import Effect

NOTHING: Mapping[str, Any] = {}
NEW: Final = tuple.__new__
"""Makes a named tuple of its values in a third of the time: there are decisions about nearly every event."""


class Call:
    """Shared by the parts of the engine during one `decide`.

    Attributes:
        state: a copy; the caller's state stays as it was, unless its standing was given.
        standing: scores, bands and stage of that state.
        changed: True once something that conditions on the lead ask about may have changed; `scored`, once scores have,
            `told`, once fields have; `sold`, once sales has done something.
        counted: types of the events that were counted, which may change what is made of their number.
        reached: stages entered during this call, in order.
        joined: segments entered during this call.
        banded: (model, band) of the bands entered during this call.
        touched: names of the enrolments that this call has changed.
        replanned: True if the lead was last looked at by other rules of who enters campaigns.
        fresh: True if nothing was known of the lead before.
        quiet: True while events are taken in that were decided on before.
        whole: True while the lead's whole history is taken in, in its order, so that nothing is forgotten.
    """

    __slots__ = (
        "banded", "changed", "counted", "decisions", "fresh", "joined", "lead_id", "moment", "now", "quiet", "reached",
        "replanned", "rulebook", "scored", "sold", "standing", "state", "told", "touched", "whole",
    )  # fmt: skip

    def __init__(
        self, state: LeadState, lead_id: int, rulebook: Rulebook, now: datetime, standing: Standing | None = None
    ) -> None:
        self.state = state.copy() if standing is None else state
        self.lead_id = lead_id
        self.rulebook = rulebook
        self.now = now
        self.moment = micros(now)
        self.standing = standing or Standing(self.state, rulebook, now, self.moment)
        self.standing.turn(now, self.moment)
        self.decisions: list[Decision] = []
        self.changed = self.scored = self.told = self.sold = False
        self.counted: list[str] = []
        self.reached: list[str] = []
        self.joined: list[str] = []
        self.banded: list[tuple[str, str]] = []
        self.touched: set[str] = set()
        self.fresh = not (state.events or state.stage)
        self.replanned = False
        self.quiet = False
        self.whole = False

    def say(
        self,
        kind: str,
        rule: str,
        detail: Mapping[str, Any] = NOTHING,
        *,
        event: int | None = None,
        effect: Effect | None = None,
    ) -> None:
        """Record one decision."""
        if self.quiet:
            return
        made = (kind, self.now, rule, self.rulebook.version, event, detail, effect)
        self.decisions.append(NEW(Decision, made))

    def look_again(self, *, fields: bool = False) -> None:
        """Forget computed scores, because the state has changed under them; with `fields`, fields among it."""
        self.changed = True
        if fields:
            self.told = True
        self.standing.forget(fields=fields)

    def add(self, rule: EventRule, entry: Sequence[int], sign: int = 1) -> None:
        """Add an entry, [microseconds, event id, units], to the sum that a rule's points go to; -1 takes it out."""
        self.scored = True
        sums = self.state.scores
        sums[rule.part] = rule.decay.add(sums.get(rule.part), sign * entry[2], entry[0])

    def add_all(self, earned: Earned, event: tuple[int, int]) -> None:
        """Add what the rules that count every event alike give for one: microseconds and its id."""
        self.scored = True
        sums = self.state.scores
        for part, decay, units in earned.sums or ():
            sums[part] = decay.add(sums.get(part), units, event[0])

    def scores(self) -> dict[str, float]:
        """All scores now, for people: two decimals."""
        return {name: round(self.standing.score(name), 2) for name in self.rulebook.models}

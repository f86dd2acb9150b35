"""The engine: what is known of one lead, what happened to it, and the rules, turned into decisions. Pure."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workers.engine import campaigns, intake, lifecycle, promotion
from workers.engine.call import Call
from workers.engine.recount import recount
from workers.engine.standing import Standing
from workers.engine.turning import NEVER, Turnings, is_within, leaving, limits
from workers.engine.values import EPOCH, instant, micros
from workers.exceptions import NeedsHistory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from workers.engine.outlook import Between
    from workers.engine.rules import Rulebook
    from workers.engine.values import Decision, Event, LeadState
    from workers.engine.watch import Watch


BY_TIME: Final = itemgetter(2, 0)
"""An event's `at` and `id`, by their places: half of what their names cost."""


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        state: the lead's new state.
        decisions: in the order they were made.
        wake_at: when the lead has to be looked at again though nothing happens to it; None for never.
        touched: names of the enrolments that have changed.
    """

    state: LeadState
    decisions: tuple[Decision, ...]
    wake_at: datetime | None
    touched: frozenset[str] = frozenset()


def decide(
    state: LeadState,
    lead_id: int,
    events: Sequence[Event],
    rulebook: Rulebook,
    now: datetime,
    *,
    history: Sequence[Event] | None = None,
) -> Outcome:
    """Take a lead through its new events and whatever is due.

    Events may come in any order and any batches: they are taken by their own time, and scores do not depend on it.

    Args:
        state: the lead as it was; stays untouched.
        lead_id: becomes part of the keys of what is sent.
        events: new events of this lead, each given once; none for a wake-up.
        rulebook: the rules in force.
        now: aware; what is due by then runs.
        history: every event of the lead that was taken in so far, the new ones included; only after `NeedsHistory`.

    Raises:
        NeedsHistory: call again with `history`: the scoring rules have changed, or a late event means something that
            the state can't tell.
    """
    return Session(state.copy(), lead_id, rulebook).decide(events, now, history=history)


class Session:
    """One lead at one instant after another: decides as `decide` does, and keeps what it has worked out in between.

    When an event changes no answer to what conditions ask, the lead stands where it stood until time turns something,
    and when that will be is known. Nothing else has to be asked again then.

    Args:
        state: the lead as it was; changed in place.
        lead_id: becomes part of the keys of what is sent.
        rulebook: the rules in force, the same all the time.
    """

    __slots__ = (
        "_answers", "_bound", "_call", "_due", "_journeys", "_lead_id", "_limits", "_loose", "_next", "_others",
        "_rulebook", "_sought", "_standing", "_turnings", "_until", "state",
    )  # fmt: skip

    def __init__(self, state: LeadState, lead_id: int, rulebook: Rulebook) -> None:
        self.state = state
        self._lead_id = lead_id
        self._rulebook = rulebook
        settled = bool(state.plan) and state.plan == rulebook.plan and state.scoring == rulebook.scoring
        self._standing = Standing(state, rulebook, EPOCH, 0, settled=settled)
        self._until = self._others = self._sought = 0
        self._bound = self._next = NEVER
        self._due: tuple[int, datetime | None] = NEVER, None
        self._limits: Mapping[str, Between] = {}
        self._loose = True
        self._answers: dict[str, list[Any]] = {}
        self._turnings = Turnings()
        self._call: Call | None = None
        self._journeys: list[Watch] = []

    def decide(
        self,
        events: Sequence[Event],
        now: datetime,
        *,
        history: Sequence[Event] | None = None,
        stop: datetime | None = None,
    ) -> Outcome:
        """See `decide`.

        After `NeedsHistory` the next call has to be the same one with the history. Counting anew forgets whatever an
        event has changed before it asked for that; with several events at a time, begin a new session instead.

        Args:
            events: see `decide`.
            now: see `decide`.
            history: see `decide`.
            stop: the lead is looked at again by then whatever happens, so nothing is worked out that lies behind it,
                and an outcome without `wake_at` says no more than that nothing is due before. See `wake_at`.
        """
        call, state = Call(self.state, self._lead_id, self._rulebook, now, self._standing), self.state
        self._call = call
        ordered = events if len(events) < 2 else sorted(events, key=BY_TIME)  # noqa: PLR2004
        if not self._loose:
            self._remember_answers(call, ordered)
        if history is None:
            self._take_in(call, ordered)
        else:
            recount(call, history, {event.id for event in events})
        state.scoring = self._rulebook.scoring
        if self._rulebook.expiring:
            forget_expired(call)
        if settles := self._is_elsewhere(call):
            settle(call, ordered)
            self._answers.clear()
        before = state.stage, state.promotions
        campaigns.take_events(call, ordered)
        campaigns.go_on(call)
        led = before != (state.stage, state.promotions)
        self._find_out(call, NEVER if stop is None else micros(stop) + 1, moved=settles or led)
        self._loose = self._loose or led  # where campaigns have led the lead may mean more, and is looked at next time
        return Outcome(state, tuple(call.decisions), self._wake_at(), frozenset(call.touched))

    def wake_at(self) -> datetime | None:
        """When the lead has to be looked at again after the last decision, however far ahead that is; None for never.

        What `decide` was not asked for because of its `stop` is worked out now.
        """
        if self._call is None:
            return None
        if self._bound < NEVER:
            self._follow_scores(self._call, NEVER)
        return self._wake_at()

    def _remember_answers(self, call: Call, events: Sequence[Event]) -> None:
        """Note what is true before some events, of all that counting them may change."""
        for event in events:
            if event.type in self._rulebook.counted and event.type not in self._answers:
                self._answers[event.type] = self._rulebook.answers[event.type](call.state.fields, call.standing)

    def _is_elsewhere(self, call: Call) -> bool:
        """True if the lead may not stand any more where it stood after the last call."""
        if call.changed or call.moment >= self._until or self._loose:
            return True
        if call.counted:
            call.standing.forget()
            fields, standing, known = call.state.fields, call.standing, self._answers
            for kind in call.counted:
                if kind not in known or self._rulebook.answers[kind](fields, standing) != known[kind]:
                    return True
        return call.scored and not is_within(call, self._limits)

    def _find_out(self, call: Call, bound: int, *, moved: bool) -> None:
        """Find out how long what was decided holds: until when, and between which scores."""
        state = call.state
        due = min([NEVER, *campaigns.wakings(call)]) if state.enrolments or state.agenda else NEVER
        self._next = due
        journeys = campaigns.watched(call) if state.enrolments else []
        moved = moved or journeys != self._journeys
        if moved or call.counted or not call.moment < self._sought >= due:
            self._look_ahead(call, journeys, due, moved=moved)
        elif not call.scored and bound <= self._bound:
            return
        self._follow_scores(call, bound)

    def _look_ahead(self, call: Call, journeys: list[Watch], due: int, *, moved: bool) -> None:
        """Find out when anything but a score turns before something is due, and what to see of scores until then."""
        watches = [*watched(call), *journeys]
        own = min([NEVER, *wakings(call)]) if call.state.handoff or call.state.holding or call.state.cooling else NEVER
        found = self._turnings.first(call, watches, min(due, own))
        self._others = found if found < due or own <= due else NEVER
        self._sought = due
        if moved:
            self._journeys = journeys
            self._limits = limits(call, watches)
            self._loose = any(watch.loose for watch in watches)

    def _follow_scores(self, call: Call, bound: int) -> None:
        """Find out, as far as before `bound`, when time takes a score out of its limits."""
        full = min(self._others, self._sought)
        end = min(full, bound)
        found = leaving(call, self._limits, end)
        if found < end < full:  # where a search ends tells in it: all callers shall find the same instant
            found = leaving(call, self._limits, full)
        self._until = found if found < end or found == self._others else NEVER
        self._bound = bound if found == bound else NEVER

    def _wake_at(self) -> datetime | None:
        wake_at = min(self._until, self._next)
        if wake_at != self._due[0]:
            self._due = wake_at, None if wake_at >= NEVER else instant(wake_at)
        return self._due[1]

    def _take_in(self, call: Call, events: Sequence[Event]) -> None:
        """Let events change the state."""
        if self.state.events and self.state.scoring != self._rulebook.scoring:
            raise NeedsHistory("the scoring rules have changed")
        before = self.state.events
        try:
            for event in events:
                intake.take_in(call, event)
        except NeedsHistory:
            self.state.events = before  # they are not taken in yet
            raise


def forget_expired(call: Call) -> None:
    """Drop from the sums what is worth nothing any more, so that they do not tell in which order their entries came."""
    scores = call.state.scores
    for part, decay in call.rulebook.expiring:
        if held := scores.get(part):
            scores[part] = decay.left(held, call.moment)


def settle(call: Call, events: Sequence[Event]) -> None:
    """Draw the consequences: where the lead stands, and whether it is handed over."""
    call.look_again()
    if call.rulebook.renamed:
        lifecycle.rename_stage(call)
    lifecycle.settle_bands(call)
    lifecycle.settle_segments(call)
    promotion.follow_up(call, events)
    lifecycle.settle_stage(call, events)
    promotion.consider(call)


def wakings(call: Call) -> list[int]:
    """When something falls due: a hand-off that nobody accepts, the end of a time that a band is held or cools."""
    state = call.state
    instants = [state.handoff[1]] if state.handoff else []
    if state.holding or state.cooling:
        for model in call.rulebook.banded:
            instants += lifecycle.band_wakings(call, model)
    return instants


def watched(call: Call) -> list[Watch]:
    """What may change where the lead stands, or whether it is promoted."""
    watches = call.rulebook.watched
    stage = watches.get(call.state.stage, watches[""])
    return [stage] if call.rulebook.promotion is None else [stage, *promotion.watched(call)]

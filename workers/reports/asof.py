"""A lead as it was at an instant: counted anew from the events until then, the rest as the decision log tells it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from workers.engine.call import Call
from workers.engine.campaigns.runs import name_of
from workers.engine.recount import recount
from workers.engine.values import Enrolment, LeadState, micros

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from workers.engine.rules import Rulebook
    from workers.engine.values import Event
    from workers.store.decisions import LoggedDecision
    from workers.store.events import Claimed


LOST, WON = "crm.lost", "crm.won"


def counted(state: LeadState, history: Sequence[Event], rulebook: Rulebook, at: datetime) -> LeadState:
    """The state with scores, counters and fields as the events until `at` make them."""
    call = Call(state, 0, rulebook, at)
    recount(call, history, frozenset())
    return call.state


def as_decided(state: LeadState, decided: Iterable[LoggedDecision], later: Collection[int]) -> LeadState:
    """The state with stage, bands, segments, runs and promotion as these decisions left them.

    What the `later` events (their ids) told of the person is left out; what events told that are in the log no more
    is all that is known of it, and stays.
    """
    then = state.copy()
    then.fields = {name: value for name, value in then.fields.items() if then.told.get(name, (0, 0))[1] not in later}
    then.told = {name: told for name, told in then.told.items() if name in then.fields}
    then.stage, then.staged, then.suppressed, then.missing = "", 0, "", None
    then.bands, then.segments, then.enrolments = {}, [], {}
    then.holding, then.cooling, then.handoff = {}, {}, []
    then.promotions, then.lost = 0, False
    for decision in decided:
        if change := CHANGES.get(decision.kind):
            change(then, decision, decision.detail)
    return then


def _staged(state: LeadState, decision: LoggedDecision, detail: Mapping[str, Any]) -> None:
    state.stage, state.staged = detail["to"], micros(decision.decided_at)


def _banded(state: LeadState, decision: LoggedDecision, detail: Mapping[str, Any]) -> None:
    if detail["to"] is None:
        state.bands.pop(decision.rule, None)
    else:
        state.bands[decision.rule] = detail["to"]


def _segmented(state: LeadState, _: LoggedDecision, detail: Mapping[str, Any]) -> None:
    state.segments = [name for name in state.segments if name not in detail["left"]] + detail["entered"]


def _enrolled(state: LeadState, decision: LoggedDecision, detail: Mapping[str, Any]) -> None:
    version, entered = detail.get("campaign_version", ""), micros(decision.decided_at)
    key = str(detail.get("key", ""))
    state.enrolments[name_of(decision.rule, key)] = Enrolment(version, detail["run"], entered, "", None, key=key)


def _ended(state: LeadState, decision: LoggedDecision, detail: Mapping[str, Any]) -> None:
    run = state.enrolments.get(name_of(decision.rule.partition(".")[0], str(detail.get("key", ""))))
    if run is not None:
        run.due, run.outcome, run.reason = None, decision.kind, detail.get("reason", "")


def _waiting(state: LeadState, decision: LoggedDecision, detail: Mapping[str, Any]) -> None:
    campaign, _, step = decision.rule.partition(".")
    run = state.enrolments.get(name_of(campaign, str(detail.get("key", ""))))
    if run is not None and "until" in detail:
        run.step, run.due = step, micros(datetime.fromisoformat(detail["until"]))


def _held_out(state: LeadState, decision: LoggedDecision, detail: Mapping[str, Any]) -> None:
    _enrolled(state, decision, detail)
    state.enrolments[name_of(decision.rule, str(detail.get("key", "")))].outcome = decision.kind


def _promoted(state: LeadState, _: LoggedDecision, __: Mapping[str, Any]) -> None:
    state.promotions, state.missing, state.lost = state.promotions + 1, None, False


def _not_promoted(state: LeadState, _: LoggedDecision, detail: Mapping[str, Any]) -> None:
    state.missing = list(detail["missing"])


def _suppressed(state: LeadState, _: LoggedDecision, detail: Mapping[str, Any]) -> None:
    state.suppressed = detail["reason"]


def _lifted(state: LeadState, _: LoggedDecision, __: Mapping[str, Any]) -> None:
    state.suppressed = ""


def lost(decided: Iterable[LoggedDecision], happened: Iterable[Claimed]) -> bool:
    """Whether the latest opportunity was lost, as far as was known."""
    ends = [(each.received_at, each.type == LOST) for each in happened if each.type in {LOST, WON}]
    begins = [(each.decided_at, False) for each in decided if each.kind == "promoted"]
    return max([*begins, *ends], default=(None, False), key=lambda each: each[0])[1]


CHANGES: Final[dict[str, Callable[[LeadState, LoggedDecision, Mapping[str, Any]], None]]] = {
    "staged": _staged, "banded": _banded, "segmented": _segmented, "enrolled": _enrolled, "held_out": _held_out,
    "exited": _ended, "finished": _ended, "waiting": _waiting, "held": _waiting, "recorded": _waiting,
    "promoted": _promoted, "not_promoted": _not_promoted, "suppressed": _suppressed, "lifted": _lifted,
}  # fmt: skip
"""What each kind of decision changed."""

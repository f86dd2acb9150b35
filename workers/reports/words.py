"""Decisions in words, one sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.gates import CAP
from workers.engine.fields import TOO_MANY_ITEMS
from workers.engine.intake import NO_VALUE
from workers.engine.limits import MOST_KEYS, TOO_MANY_KEYS
from workers.reports.journeys import JOURNEYS, cap, passed_over, refused
from workers.simulate.words import against

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.reports.story import Line


def sentence(line: Line) -> str:
    """What was decided, and why. A kind of decision that has no words yet is shown with its details."""
    wording = WORDINGS.get(line.kind)
    try:
        return wording(line, line.detail) if wording else _plain(line, line.detail)
    except KeyError:  # an older program wrote other details
        return _plain(line, line.detail)


def _plain(line: Line, detail: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {value}" for name, value in detail.items() if value not in (None, "", [], {}))
    return f"{line.kind} {line.rule}" + (f" ({told})" if told else "")


def _scored(_line: Line, detail: Mapping[str, Any]) -> str:
    told = [f"{points:+g} by {rule}" for rule, _, points in detail["entries"]]
    told += [f"{rule} not counted (its limit)" for rule in detail.get("limited", ())]
    return ", ".join(told)


def _skipped(line: Line, detail: Mapping[str, Any]) -> str:
    if "run" in detail and "template" not in detail:
        return passed_over(line, detail)
    if "template" in detail:
        reason = cap(detail) if detail["reason"] == CAP else detail["reason"]
        return f"{line.rule}: mail {detail['template']} not sent ({reason})"
    return left_aside(line.rule, detail)


def left_aside(rule: str, detail: Mapping[str, Any]) -> str:
    """Why something that reached us counts for nothing."""
    wording = LEFT_ASIDE.get(detail["reason"])
    return wording(rule.partition(".")[2], detail) if wording else f"{rule}: {detail['reason']}"


def _banded(line: Line, detail: Mapping[str, Any]) -> str:
    what = f"is {detail['to']}" if detail["to"] else f"is no longer {detail['from']}"
    return f"{line.rule} {what} at {detail['score']:.1f}"


def _staged(_line: Line, detail: Mapping[str, Any]) -> str:
    told = f"now {detail['to']}" + (f" (was {detail['from']})" if detail["from"] else "")
    return told + (f": {detail['reason']}" if detail.get("reason") else "")


def _segmented(_line: Line, detail: Mapping[str, Any]) -> str:
    told = [
        f"{word} {', '.join(detail[key])}" for word, key in (("in", "entered"), ("no longer in", "left")) if detail[key]
    ]
    return f"{' and '.join(told)} (segments)"


def _recounted(_line: Line, detail: Mapping[str, Any]) -> str:
    why = {"rules": "the rules have changed", "late-event": "an event came late"}.get(
        detail["reason"], detail["reason"]
    )
    scores = ", ".join(f"{name} {score:g}" for name, score in detail["scores"].items())
    gone = f"; {detail['gone']} earlier events are no longer in the log" if detail.get("gone") else ""
    return f"counted anew, because {why}: {scores}{gone}"


def _escalated(_line: Line, detail: Mapping[str, Any]) -> str:
    return "nobody has accepted it in time" + (f": {detail['to']} is told" if detail["to"] else "")


def _not_enrolled(line: Line, detail: Mapping[str, Any]) -> str:
    return f"does not enter {line.rule}: {refused(detail['reason'])}"


def _exited(line: Line, detail: Mapping[str, Any]) -> str:
    return f"leaves {line.rule} ({detail['reason']})"


def _promoted(_line: Line, detail: Mapping[str, Any]) -> str:
    held = ", ".join(name for name, met in detail["evidence"].items() if met)
    worth = f"{detail['amount']} {detail['currency']} " if detail["amount"] else ""
    owner = f", owner {detail['owner']}{_turn(detail)}" if detail.get("owner") else ""
    return f"opportunity {worth}for {detail['crm']}, on the evidence of {held or 'nothing'}{owner}"


def _turn(detail: Mapping[str, Any]) -> str:
    """Whose turn it was: what everybody had before, and who could get no more."""
    had = ", ".join(f"{owner} {number}" for owner, number in detail.get("given", {}).items())
    full = f"; at the cap: {', '.join(detail['at_cap'])}" if detail.get("at_cap") else ""
    return f" (before: {had}{full})" if had else ""


def _not_promoted(_line: Line, detail: Mapping[str, Any]) -> str:
    return f"not promoted: {against(detail['missing'])}"


def kind_of_mail(detail: Mapping[str, Any]) -> str:
    """What a suppression rules out."""
    return "marketing mail" if detail["reason"] == "unsubscribed" else "mail"


LEFT_ASIDE: Final[dict[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "machine": lambda _, __: "not counted: a machine did it",
    "bad-value": lambda name, detail: f"field {name} not taken over: {detail['value']} is {detail['because']}",
    "bad-property": lambda name, detail: (
        f"no rule can use the {detail['property']} of this {name}: {detail['value']} is {detail['because']}"
    ),
    "undeclared-event": lambda name, _: f"no rule can use it: the rules declare no event {name}",
    TOO_MANY_ITEMS: lambda name, detail: f"field {name} keeps {detail['most']} items; left out: {detail['value']}",
    "undeclared-field": lambda name, _: f"not taken over: the rules declare no field {name}",
    "unknown-category": lambda _, detail: f"the rules declare no category of mail {detail['category']}",
    "not-asked": lambda _, detail: f"nobody waits for a confirmation of {detail['category']}",
    TOO_MANY_KEYS: lambda name, _: (
        f"not counted by {name}: its limit tells {MOST_KEYS} values apart in one window of time, and this is one more"
    ),
    NO_VALUE: lambda name, detail: f"{name} gives no points: `{detail['points']}` has no value",
    "identity-conflict": lambda _, detail: f"{detail['identity']} belongs to lead {detail['other_lead']}",
}
"""By reason; the first argument is what the rule's id names behind `field.` or `event.`."""
WORDINGS: Final[dict[str, Callable[[Line, Mapping[str, Any]], str]]] = {
    **JOURNEYS,
    "scored": _scored,
    "skipped": _skipped,
    "banded": _banded,
    "staged": _staged,
    "enrolled": lambda line, _: f"enters {line.rule}",
    "not_enrolled": _not_enrolled,
    "exited": _exited,
    "finished": lambda line, _: f"has finished {line.rule.partition('.')[0]}",
    "sent": lambda line, detail: f"{line.rule}: mail {detail['template']} to the outbox",
    "suppressed": lambda _, detail: f"gets no more {kind_of_mail(detail)} ({detail['reason']})",
    "lifted": lambda _, detail: f"may be mailed again (was {detail['reason']})",
    "consented": lambda _, detail: (
        f"mail of category {detail['category']}: {detail['action']}, now {detail['standing']}"
    ),
    "segmented": _segmented,
    "credited": lambda _, detail: f"a machine's {detail['type']} counts after all: the person did something themselves",
    "recounted": _recounted,
    "accepted": lambda _, detail: f"accepted by sales ({detail['by']})",
    "escalated": _escalated,
    "promoted": _promoted,
    "not_promoted": _not_promoted,
}
"""By kind of decision."""

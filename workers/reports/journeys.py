"""What happens to a lead in campaigns, in words: one sentence for each kind of decision that a step makes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.reports.story import Line


def clock(text: str) -> str:
    """An instant, as the clocks here show it."""
    return f"{datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}"


def waiting(line: Line, detail: Mapping[str, Any]) -> str:
    """A wait: until when, and what for."""
    told = f"{line.rule}: until {clock(detail['until'])}"
    return f"{told} at the latest, for {detail['for']}" if detail.get("for") else told


def held(line: Line, detail: Mapping[str, Any]) -> str:
    """A mail that is due and may not go yet."""
    why = {
        "quiet-hours": "quiet hours or a day off", "cap": cap(detail), "paused": "the campaign is paused",
        "replied": "somebody who has written back hears from a person first",
    }  # fmt: skip
    reason = why.get(detail["reason"], str(detail["reason"]))
    return f"{line.rule}: held back ({reason})" + (f" until {clock(detail['until'])}" if "until" in detail else "")


def cap(detail: Mapping[str, Any]) -> str:
    """Which cap it was that let no more through."""
    kind = "" if detail.get("category") == "all" else f"{detail.get('category')} "
    days = timedelta(microseconds=detail.get("window", 0)) / timedelta(days=1)
    time = f" in {days:g} day{'s' * (days != 1)}" if days else ""
    return f"the cap of {detail.get('most')} {kind}mail{'s' * (detail.get('most') != 1)}{time} is full"


def branched(line: Line, detail: Mapping[str, Any]) -> str:
    """Which way was taken, and why."""
    if (reason := detail.get("reason")) is not None:
        words = {"time-out": "it has not happened in time", "no-date": "there is no date", "past": "the date is past"}
        about = f" ({detail['field']})" if "field" in detail else ""
        return f"{line.rule}: {words.get(reason, reason)}{about}"
    if "for" in detail:
        return f"{line.rule}: what it waited for is there: {detail['for']}"
    if "field" in detail:
        return f"{line.rule}: the date has come ({detail['field']})"
    if detail["took"] is None:
        return f"{line.rule}: no condition holds, so it goes on"
    return f"{line.rule}: way {detail['took']}" + (f", because {detail['when']}" if "when" in detail else "")


def split(line: Line, detail: Mapping[str, Any]) -> str:
    """Which arm was taken."""
    return f"{line.rule}: arm {detail['arm']}" + (", as the test has decided" if detail.get("decided") else "")


def recorded(line: Line, detail: Mapping[str, Any]) -> str:
    """What was told to the log."""
    if "points" in detail:
        return f"{line.rule}: {detail['points']:+g} {detail['model']}"
    return f"{line.rule}: {detail['field']} becomes {detail[detail['field']]}"


def acted(line: Line, detail: Mapping[str, Any]) -> str:
    """What was done to the lead."""
    words = {
        "stage": f"puts it into stage {detail.get('stage')}",
        "promote": "looks whether it can be promoted",
        "enter_campaign": f"lets it into {detail.get('campaign')}",
        "exit_campaign": f"takes it out of {detail.get('campaign')}",
    }
    return f"{line.rule}: {words.get(detail['does'], detail['does'])}"


def notified(line: Line, detail: Mapping[str, Any]) -> str:
    """Who was told."""
    return f"{line.rule}: {detail.get('to') or detail['hook']} is told"


def moved(line: Line, detail: Mapping[str, Any]) -> str:
    """What an edit has done."""
    return f"goes on in the new version of {line.rule}" + (f", at {detail['step']}" if detail["step"] else "")


def goal_reached(line: Line, detail: Mapping[str, Any]) -> str:
    """What a campaign is for has come about."""
    return f"reaches the goal of {line.rule}" + (", held out of it" if detail["held_out"] else "")


def refused(reason: str) -> str:
    """Why a lead does not enter a campaign; any other reason is that of a suppression."""
    return REFUSALS.get(reason, f"it may not be mailed ({reason})")


def passed_over(line: Line, detail: Mapping[str, Any]) -> str:
    """A step that had no effect, and why."""
    told = [f"{name} {value}" for name, value in detail.items() if name not in {"run", "reason"}]
    about = f" ({', '.join(told)})" if told else ""
    return f"{line.rule}: {REASONS.get(detail['reason'], detail['reason'])}{about}"


REASONS: Final = {
    "no-email": "no mail, because there is no address",
    "cap": "no mail, because as many as may have gone out",
    "done-before": "done before, and not done again",
    "not-heard": "goes on, though what it told the log was not taken in",
    "no-value": "nothing to set it to",
    "no-field": "there is no such field any more",
    "bad-value": "the field cannot have this value",
    "no-points": "nothing to reckon points with",
    "so-already": "it is so already",
    "nobody-to-tell": "there is nobody to tell",
}
"""Why a step had no effect."""
REFUSALS: Final = {
    "exit-holds": "what ends it holds already",
    "goal-holds": "its goal is reached already",
    "drained": "nobody enters it any more",
    "already-in": "it is in it already",
    "once-only": "nobody enters it twice",
    "too-soon": "it is too soon to enter it again",
    "too-many-runs": "it is in as many runs of it as it can be",
}
"""Why a lead does not enter a campaign."""
JOURNEYS: Final[dict[str, Callable[[Line, Mapping[str, Any]], str]]] = {
    "waiting": waiting,
    "held": held,
    "branched": branched,
    "split": split,
    "measured": lambda line, detail: f"{line.rule}: counts for arm {detail['arm']}",
    "recorded": recorded,
    "heard": lambda line, _: f"{line.rule}: that counts now",
    "acted": acted,
    "notified": notified,
    "posted": lambda line, detail: f"{line.rule}: {detail['type']} for {detail['hook']} to the outbox",
    "moved": moved,
    "resumed": lambda line, _: f"{line.rule}: goes on after the pause",
    "held_out": lambda line, _: f"is held out of {line.rule}, to compare with",
    "goal_reached": goal_reached,
}
"""By kind of decision."""

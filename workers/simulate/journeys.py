"""What an example says of campaigns, against what came about: runs, mails, what was held back, skipped and told.

Everything that came about is a mapping with the keys that examples ask with; an entry of an example is found again in
one that has all the values which the entry names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.runs import campaign_of
from workers.engine.hours import zone_by
from workers.engine.values import ADJUSTED, Hook, Notify, Record, instant
from workers.rulebook.declarations.examples import BEGINNING
from workers.rulebook.shape import declared
from workers.rulebook.times import Moment
from workers.simulate.words import lapse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from workers.engine.values import Decision
    from workers.rulebook.shape import Shape
    from workers.simulate.judging import Ended

Seen = dict[str, Any]
"""Something that came about."""
UNDER_WAY: Final = "under way"
CLOCK: Final = "%Y-%m-%d %H:%M"
LONGEST: Final = 60
"""Letters of a text that are shown."""
WORDS: Final = frozenset({"subject", "text"})
"""Keys of which some words are enough."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One list of an outcome.

    Attributes:
        noun: what an entry is called, `{}` for what it is about.
        all: everything of the kind that came about.
    """

    noun: str
    all: Callable[[Ended], list[Seen]]


# ── what came about ──────────────────────────────────────────────────────────────────────────────────────────


def mails(ended: Ended) -> list[Seen]:
    """Mails that went out."""
    return [{"send": each.template, "at": each.at, "campaign": each.campaign} for each in ended.result.mails]


def runs(ended: Ended) -> list[Seen]:
    """Runs through campaigns."""
    return [
        {
            "campaign": campaign_of(name),
            "key": run.key,
            "run": run.run,
            "outcome": run.outcome or UNDER_WAY,
            "step": run.step,
            "until": None if run.due is None or run.outcome else instant(run.due),
            "goal": bool(run.goal),
            "arms": {step: arm[0] for step, arm in run.arms.items()},
            "end": run.reason if run.outcome == "finished" else "",
            "exit": run.reason if run.outcome == "exited" else "",
        }
        for name, run in sorted(ended.state.enrolments.items(), key=lambda each: -each[1].entered)
    ]


def decided(ended: Ended, kind: str) -> Iterator[Decision]:
    """The decisions of a kind."""
    return (decision for _, decision in ended.result.decisions if decision.kind == kind)


def of_steps(ended: Ended, kind: str) -> list[Seen]:
    """What was decided at steps, with its reason, and until when."""
    return [
        {
            "campaign": campaign,
            "step": step,
            "reason": each.detail.get("reason", ""),
            "until": datetime.fromisoformat(until) if (until := each.detail.get("until")) else None,
        }
        for each in decided(ended, kind)
        for campaign, _, step in [each.rule.partition(".")]
        if campaign in ended.rulebook.campaigns
    ]


def not_enrolled(ended: Ended) -> list[Seen]:
    """Campaigns that were not entered."""
    return [
        {"campaign": each.rule, "key": each.detail.get("key", ""), "reason": each.detail["reason"]}
        for each in decided(ended, "not_enrolled")
    ]


def notified(ended: Ended) -> list[Seen]:
    """Messages to colleagues, by e-mail and in chats."""
    told: list[Seen] = []
    for _, each in ended.result.decisions:
        if isinstance(each.effect, Notify):
            effect = each.effect
            told.append({"to": effect.to, "hook": "", "subject": effect.subject, "text": effect.text, "at": each.at})
        elif each.kind == "notified" and isinstance(each.effect, Hook):
            text = each.effect.payload["text"]
            told.append({"to": "", "hook": each.effect.hook, "subject": "", "text": text, "at": each.at})
    return told


def posted(ended: Ended) -> list[Seen]:
    """Webhooks to other programs."""
    return [
        {
            "hook": each.effect.hook,
            "type": each.effect.payload["type"],
            "lead": each.effect.payload["data"]["lead"],
            "at": each.at,
        }
        for each in decided(ended, "posted")
        if isinstance(each.effect, Hook)
    ]


def handed_over(ended: Ended) -> list[Seen]:
    """Opportunities that the CRM got."""
    told = []
    for each in ended.result.promotions:
        seen = {key: each.opportunity[key] for key in ("owner", "name", "currency", "pipeline", "stage")}
        amount = each.opportunity["amount"]
        told.append({**seen, "amount": None if amount is None else float(amount), "crm": each.crm})
    return told


def points(ended: Ended) -> dict[str, float]:
    """Points that steps gave, by score."""
    given: dict[str, float] = {}
    for each in decided(ended, "recorded"):
        if isinstance(each.effect, Record) and each.effect.type == ADJUSTED:
            model = each.effect.properties["model"]
            given[model] = given.get(model, 0) + each.effect.properties["points"]
    return given


KINDS: Final[Mapping[str, Kind]] = {
    "mails": Kind("mail {}", mails),
    "runs": Kind("run of {}", runs),
    "held": Kind("waiting in {}", lambda ended: of_steps(ended, "held")),
    "skipped": Kind("skipped step of {}", lambda ended: of_steps(ended, "skipped")),
    "not_enrolled": Kind("refused entry of {}", not_enrolled),
    "notified": Kind("message to {}", notified),
    "posted": Kind("webhook to {}", posted),
    "opportunity": Kind("opportunity for {}", handed_over),
}


# ── compared ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares entries of an example with what came about.

    Attributes:
        ended: how the example ended.
    """

    ended: Ended

    def unlike(self, entry: Shape, seen: Seen) -> dict[str, str]:
        """What is other than the entry says, by key: `step is send-b, expected send-a`."""
        zone = self._zone(entry)
        return {
            key: f"{key} is {shown(seen[key], zone)}, expected {shown(getattr(entry, key), zone)}"
            for key in entry.node.entries
            if key in seen and not same(key, getattr(entry, key), seen[key], zone)
        }

    def missing(self, key: str, entry: Shape) -> str:
        """What is missing of an entry, in words; empty if it came about."""
        kind = KINDS[key]
        rows = kind.all(self.ended)
        unlike = [self.unlike(entry, seen) for seen in rows]
        if not all(unlike):
            return ""
        noun = kind.noun.format(subject(entry))
        near = [each for each in unlike if first_key(entry) not in each]
        if not near:
            return f"there is no {noun}"
        return f"{noun}: {', '.join(min(near, key=len).values())}"

    def came(self, key: str, entry: Shape) -> bool:
        """True if something came about that is as the entry says."""
        return not self.missing(key, entry)

    def what_there_is(self, key: str) -> str:
        """Everything of a kind that came about, for a person who looks for the reason."""
        rows = KINDS[key].all(self.ended)
        zone = self._zone(None)
        told = ["; ".join(f"{name} {shown(value, zone)}" for name, value in row.items() if value) for row in rows]
        return " · ".join(told)

    def _zone(self, entry: Shape | None) -> ZoneInfo:
        """Whose clock an entry is on."""
        rulebook = self.ended.rulebook
        word = getattr(entry, "zone", "lead")
        return zone_by(word, self.ended.state.fields, rulebook.account.zone, rulebook.zone_fields)[0]


def first_key(entry: Shape) -> str:
    """The key that tells what an entry is about: the first of those that it may have."""
    return next((key for key in declared(type(entry)) if key in entry.node.entries), "")


def subject(entry: Shape) -> str:
    """What an entry is about, in a word."""
    key = first_key(entry)
    return str(entry.node.entries[key].plain) if key else ""


def same(key: str, wanted: Any, seen: Any, zone: ZoneInfo) -> bool:
    """True if something is as it is wanted: times to the minute, some words of a text, some entries of a mapping."""
    if isinstance(wanted, Moment):
        return seen is not None and minute(wanted.instant(BEGINNING, zone)) == minute(seen)
    if isinstance(wanted, dict):
        return all(name in seen and seen[name] == value for name, value in wanted.items())
    if key in WORDS:
        return str(wanted) in seen
    return bool(seen == wanted)


def minute(at: datetime) -> int:
    """Whole minutes since 1970."""
    return int(at.timestamp()) // 60


def shown(value: Any, zone: ZoneInfo) -> str:
    """A value for people; a time with how long after the beginning that is."""
    if isinstance(value, Moment):
        value = value.instant(BEGINNING, zone)
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):{CLOCK}} ({lapse(value - BEGINNING)} after the beginning)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {each}" for name, each in value.items()) + "}"
    words = f"{value:g}" if isinstance(value, float) else " ".join(str(value or "none").split())
    words = words if len(words) <= LONGEST else f"{words[:LONGEST]}…"
    return f"“{words}”" if " " in words else words

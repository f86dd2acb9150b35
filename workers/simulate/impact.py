"""What other rules would have made of recorded history: every lead's events through both, and what comes out compared.

Both rulebooks run from the lead's first event to the end, by the very engine that runs in production, so what differs
is what the rules say and nothing else. Mails that only one of them sends get no answers that were not recorded, and
neither who owns an opportunity nor which arm of a split wins is looked at: both depend on other leads.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workers.engine.decide import decide
from workers.engine.standing import Standing
from workers.engine.values import Send
from workers.simulate.clock import alone, no_collector
from workers.simulate.population import Person, Population, as_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from workers.engine.rules import Rulebook
    from workers.engine.values import Event, LeadState
    from workers.simulate.heard import Heard

NONE: Final = "none"
NAMED: Final = 100
"""So many leads of each change are named."""
ENDS: Final = {"crm.won": "won", "crm.lost": "lost"}
OPEN: Final = "open"
SAME: Final = timedelta(minutes=1)
"""Promotions that are not further apart are at the same time."""
SAME_SCORE: Final = 0.005


class Told(NamedTuple):
    """An event, and when we heard of it."""

    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class History:
    """What was recorded of one lead.

    Attributes:
        id: of the lead; shares of hold-outs and splits go by it.
        name: the address, or another identity.
        events: in any order.
    """

    id: int
    name: str
    events: Sequence[Told]

    @property
    def outcome(self) -> str:
        """What became of its opportunity: `won`, `lost`, or `open` as far as anybody knows."""
        ended = [told for told in self.events if told.event.type in ENDS]
        return ENDS[max(ended, key=lambda told: told.event.at).event.type] if ended else OPEN


@dataclass(frozen=True, slots=True)
class Fate:
    """What some rules made of one lead.

    Attributes:
        promoted: when it was first handed to sales; None for never.
        bands, grades: by score and by grade; without those that it is in none of.
        mails: how many of each (campaign, template).
    """

    stage: str
    promoted: datetime | None
    bands: Mapping[str, str]
    grades: Mapping[str, str]
    segments: frozenset[str]
    scores: Mapping[str, float]
    mails: Counter[tuple[str, str]]


def recorded(heard: Iterable[Heard]) -> list[History]:
    """The leads in a file of events: who is who, without what came twice or is about nobody."""
    people, keys = Population(), set[tuple[str, str]]()
    events: dict[int, list[Told]] = {}
    for number, each in enumerate(sorted(heard, key=lambda each: each.at), 1):
        if each.key is not None and each.key in keys:
            continue
        keys |= {each.key} if each.key else set()
        if (person := people.lead_of(each.identities)) is not None:
            events.setdefault(person.id, []).append(Told(each.at, as_event(number, each)))
    return [History(person.id, person.identities[0].removeprefix("email:"), events[person.id]) for person in people]


def fate(history: History, rulebook: Rulebook, until: datetime) -> Fate:
    """What these rules make of a lead, had they been in force all the time."""
    heard = sorted(history.events, key=lambda told: (told.at, told.event.id))
    person = Person(history.id, [], heard=[told for told in heard if told.at <= until])
    result = alone(person, rulebook, until)
    state, standing = person.state, Standing(person.state, rulebook, until)
    return Fate(
        stage=state.stage,
        promoted=min((each.at for each in result.promotions), default=None),
        bands={model.name: band for model in rulebook.banded if (band := standing.band(model.name))},
        grades={name: grade for name in rulebook.grades if (grade := standing.grade(name))},
        segments=frozenset(standing.segments()),
        scores={name: standing.score(name) for name in rulebook.models},
        mails=Counter((mail.campaign, mail.template) for mail in result.mails),
    )


def first_look(state: LeadState, history: History, rulebook: Rulebook, now: datetime) -> set[tuple[str, str]]:
    """What these rules do when they first look at a lead as it stands: (`promoted`, ""), (`stage`, name), …

    Beside these, `campaign` says which one the lead enters, and `mail` which one it gets for that at once. What the
    runs do that are under way already is not told: they keep to the version they entered.
    """
    past = [told.event for told in history.events if told.at <= now]
    decided = decide(state, history.id, (), rulebook, now, history=past).decisions
    entered = {each.rule for each in decided if each.kind == "enrolled"}
    found = {("campaign", name) for name in entered}
    for each in decided:
        if each.kind == "promoted":
            found.add(("promoted", ""))
        elif each.kind == "staged" and each.detail.get("reason") != "renamed":
            found.add(("stage", each.detail["to"]))
        elif isinstance(each.effect, Send) and each.effect.campaign in entered:
            found.add(("mail", each.effect.template))
    return found


# ── compared ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Group:
    """Leads for whom the same is different.

    Attributes:
        number: how many.
        outcomes: how many of them were `won`, `lost`, or are `open`.
        names: of the first of them, each with its outcome.
    """

    number: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    names: list[tuple[str, str]] = field(default_factory=list)

    def add(self, history: History) -> None:
        """One more."""
        outcome = history.outcome
        self.number += 1
        self.outcomes[outcome] += 1
        if len(self.names) < NAMED:
            self.names.append((history.name, outcome))

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        leads = [{"lead": name, "outcome": outcome} for name, outcome in self.names]
        return {"number": self.number, "outcomes": dict(self.outcomes), "leads": leads}


Move = tuple[str, str, str]
"""What has changed (`stage`, or the name of a score or grade), from where, to where."""


@dataclass(slots=True)
class Impact:
    """What the new rules would have made different.

    Attributes:
        leads, events: how many were looked at; `of` is how many leads there are.
        until: where history was stopped.
        promoted: how many leads by the old rules, and by the new ones.
        more, fewer: who only the new ones promote, and who only the old ones.
        earlier, later: who both promote, and the new ones at another time.
        stages, bands, grades: leads by move.
        entered, left: leads by segment.
        higher, lower: how many leads have another score at the end, by score.
        mails: how many by (campaign, template), old and new.
        changed: leads for whom anything at all is different.
        at_once: what the new rules do, and the old ones do not, when they first look at the leads as they stand today:
            leads by (kind, name), as `first_look` says it; None where nobody knows how they stand.
    """

    until: datetime
    of: int = 0
    leads: int = 0
    events: int = 0
    promoted: tuple[int, int] = (0, 0)
    more: Group = field(default_factory=Group)
    fewer: Group = field(default_factory=Group)
    earlier: Group = field(default_factory=Group)
    later: Group = field(default_factory=Group)
    stages: dict[Move, Group] = field(default_factory=dict)
    bands: dict[Move, Group] = field(default_factory=dict)
    grades: dict[Move, Group] = field(default_factory=dict)
    entered: dict[str, Group] = field(default_factory=dict)
    left: dict[str, Group] = field(default_factory=dict)
    higher: Counter[str] = field(default_factory=Counter)
    lower: Counter[str] = field(default_factory=Counter)
    mails: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    changed: int = 0
    at_once: dict[tuple[str, str], Group] | None = None

    def add(self, history: History, before: Fate, after: Fate) -> None:
        """Take in one lead."""
        self.leads += 1
        self.events += sum(told.at <= self.until for told in history.events)
        self.changed += before != after
        self._promotion(history, before.promoted, after.promoted)
        if before.stage != after.stage:
            _group(self.stages, ("stage", before.stage or NONE, after.stage or NONE)).add(history)
        for moves, old, new in ((self.bands, before.bands, after.bands), (self.grades, before.grades, after.grades)):
            for name in sorted(old.keys() | new.keys()):
                if old.get(name) != new.get(name):
                    _group(moves, (name, old.get(name, NONE), new.get(name, NONE))).add(history)
        for groups, names in ((self.entered, after.segments - before.segments),
                              (self.left, before.segments - after.segments)):  # fmt: skip
            for name in sorted(names):
                _group(groups, name).add(history)
        self._numbers(before, after)

    def look(self, history: History, state: LeadState, before: Rulebook, after: Rulebook) -> None:
        """Take in how one lead stands."""
        self.at_once = {} if self.at_once is None else self.at_once
        old = first_look(state, history, before, self.until)
        for each in sorted(first_look(state, history, after, self.until) - old):
            _group(self.at_once, each).add(history)

    def _promotion(self, history: History, before: datetime | None, after: datetime | None) -> None:
        self.promoted = (self.promoted[0] + (before is not None), self.promoted[1] + (after is not None))
        if before is None and after is not None:
            self.more.add(history)
        elif before is not None and after is None:
            self.fewer.add(history)
        elif before is not None and after is not None and abs(after - before) > SAME:
            (self.earlier if after < before else self.later).add(history)

    def _numbers(self, before: Fate, after: Fate) -> None:
        for name in before.scores.keys() & after.scores.keys():
            difference = after.scores[name] - before.scores[name]
            if abs(difference) >= SAME_SCORE:
                (self.higher if difference > 0 else self.lower)[name] += 1
        for mail in before.mails.keys() | after.mails.keys():
            old, new = self.mails.get(mail, (0, 0))
            self.mails[mail] = (old + before.mails[mail], new + after.mails[mail])

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        old, new = self.promoted
        groups = {name: getattr(self, name).as_data() for name in ("more", "fewer", "earlier", "later")}
        moves = {
            kind: [{"name": name, "from": start, "to": end, **group.as_data()}
                   for (name, start, end), group in sorted(getattr(self, kind).items())]
            for kind in ("stages", "bands", "grades")
        }  # fmt: skip
        once = self.at_once
        return {
            "at_once": None if once is None else [
                {"kind": kind, "name": name, **group.as_data()} for (kind, name), group in sorted(once.items())
            ],
            "until": self.until, "leads": self.leads, "of": self.of, "events": self.events, "changed": self.changed,
            "promoted": {"before": old, "after": new, **groups},
            **moves,
            "segments": {
                "entered": {name: group.as_data() for name, group in self.entered.items()},
                "left": {name: group.as_data() for name, group in self.left.items()},
            },
            "scores": {"higher": dict(self.higher), "lower": dict(self.lower)},
            "mails": [
                {"campaign": campaign, "template": template, "before": before, "after": after}
                for (campaign, template), (before, after) in sorted(self.mails.items())
            ],
        }  # fmt: skip


def _group(groups: dict[Any, Group], key: Any) -> Group:
    return groups.setdefault(key, Group())


def compare(histories: Iterable[History], before: Rulebook, after: Rulebook, impact: Impact) -> Impact:
    """Take these leads through both rulebooks, and add what differs to `impact`."""
    with no_collector():
        for history in histories:
            old, new = fate(history, before, impact.until), fate(history, after, impact.until)
            if old.stage in after.renamed:  # a stage of another name is the same stage
                old = replace(old, stage=after.renamed[old.stage])
            impact.add(history, old, new)
    return impact

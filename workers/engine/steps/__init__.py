"""Campaign steps: one file per step word, found by its name.

`send.py` is the YAML word `send`; its class `Step` is a frozen dataclass whose fields are the step's settings, with
their types, and whose last field is `id`. A step decides and never acts: it looks at a `Visit` and gives a `Verdict`.

Beside `run`, a step that waits for something may have `hear(visit, event) -> Verdict | None` (an event came while a run
stands here) and `ready(visit) -> bool` (it is to run again now, although its time has not come); where a condition on
the lead decides that, `awaited` is this condition, so that the lead is looked at when time turns it. One that has a
`measure`, a trigger, gets it counted for the arms it has split people into, within `measured_within` microseconds.

What `check` asks: `objections(known) -> Iterable[Objection]`, if settings can contradict each other; `ways`, the steps
that a run may go on with (`NOWHERE` is the next one), if it is not always the next one; `waits`, True if time passes on
every way; and `leads_to`, what it may start, as `("campaign", name)`, `("stage", name)` or `("event", type)`.

Fields may be expressions (`Expression`), text with expressions in it (`Words`), other steps (`Goto`: the file has a
list of steps there, and the field holds the id of the first), dataclasses of such fields, and tuples and mappings of
them. Their metadata say the rest: `{"names": "template"}` what a name stands for, `{"want": "number"}` what an
expression gives that is no condition, `{"key": "else"}` how it is written where that is no Python name,
`{"beside": True}` that it stands beside the step's word and not below it, `{"doc": "…"}` what it is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final, NewType, Protocol

from workers.engine.scoring import NO_EVENT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from workers.engine.call import Call
    from workers.engine.rules import Campaign, Expression, Rulebook
    from workers.engine.standing import Standing
    from workers.engine.values import Effect, Enrolment, LeadState

Goto = NewType("Goto", str)
"""Id of the first of some steps inside a step; empty if there are none."""
NOWHERE: Final = Goto("")
Percent = NewType("Percent", float)
"""A share from 0 to 1, written `95%`."""


def said(doc: str, **more: Any) -> Mapping[str, Any]:
    """The metadata of a setting: what people read about it, and the rest."""
    return {"doc": doc, **more}


class Known(Protocol):
    """What the rule files declare, as far as settings may depend on it.

    Attributes:
        fields: the lead's fields and their types.
        allowed: for those that have only certain values, these.
        promotes: whether there is a promotion.
    """

    @property
    def fields(self) -> Mapping[str, str]: ...
    @property
    def allowed(self) -> Mapping[str, Collection[str]]: ...
    @property
    def promotes(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the settings of a step make no sense.

    Attributes:
        code: kind of mistake, a constant word.
        text: what is wrong, one sentence without a full stop.
        hint: what to do about it.
        keys: lead from the step to the key that is wrong, as far as it is there; numbers are those of list items.
    """

    code: str
    text: str
    hint: str = ""
    keys: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """So many days on which the account works, written `2 business days`."""

    days: int


@dataclass(frozen=True, slots=True)
class Visit:
    """A lead standing at a step: for reading, and only that."""

    call: Call
    campaign: Campaign
    run: Enrolment

    @property
    def state(self) -> LeadState:
        """The lead."""
        return self.call.state

    @property
    def lead_id(self) -> int:
        """Its number."""
        return self.call.lead_id

    @property
    def now(self) -> datetime:
        """The instant, aware."""
        return self.call.now

    @property
    def moment(self) -> int:
        """The instant, in microseconds."""
        return self.call.moment

    @property
    def facts(self) -> Standing:
        """What expressions ask."""
        return self.call.standing

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""
        return self.call.rulebook

    def overdue(self) -> bool:
        """True if the run stood at this step already, and the time it may wait here is over."""
        return self.run.hold == "until" and self.run.due is not None and self.run.due <= self.call.moment


@dataclass(frozen=True, slots=True)
class Words:
    """Text with expressions in it, written `{{ lead.company }} is back`."""

    parts: tuple[str | Expression, ...]

    def filled(self, visit: Visit) -> str:
        """The text for this lead; nothing where an expression has no value."""
        return "".join(part if isinstance(part, str) else shown(self._value(part, visit)) for part in self.parts)

    @staticmethod
    def _value(part: Expression, visit: Visit) -> Any:
        return part.value(NO_EVENT, visit.state.fields, visit.facts)


def shown(value: Any) -> str:
    """A value in a text for people."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:g}" if isinstance(value, float) else str(value)


# ── what a step may want done to the lead ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SetStage:
    """Put the lead into a lifecycle stage, for a reason."""

    stage: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EnterCampaign:
    """Start a run of another campaign."""

    campaign: str


@dataclass(frozen=True, slots=True)
class LeaveCampaign:
    """End all runs of a campaign."""

    campaign: str


@dataclass(frozen=True, slots=True)
class PromoteLead:
    """Make the lead an opportunity, if the evidence is there."""


Action = SetStage | EnterCampaign | LeaveCampaign | PromoteLead


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a step decided.

    Attributes:
        kind: kind of the decision to log (`sent`, `waiting`, `skipped`, `held`, `branched`, …).
        detail: what explains it.
        effect: what has to happen outside.
        action: what has to happen to the lead.
        until: stay that long before it goes on; None goes on at once.
        hold: why it stays at this very step, which then runs again; empty goes on with the next one after `until`.
        goto: the step to go on with; None for the one that follows.
        arm: of a split, the arm that was taken.
        ends: the run is over, for `outcome`, a word to count by.
    """

    kind: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    effect: Effect | None = None
    action: Action | None = None
    until: datetime | None = None
    hold: str = ""
    goto: str | None = None
    arm: str = ""
    ends: bool = False
    outcome: str = ""


class Step(Protocol):
    """What every step has."""

    @property
    def id(self) -> str:
        """Unique within its campaign; part of the key of what the step causes."""

    def run(self, visit: Visit) -> Verdict:
        """Decide for one lead, now."""


@cache
def found() -> Mapping[str, type]:
    """All step words and their classes."""
    return {
        module.name: import_module(f"{__name__}.{module.name}").Step
        for module in sorted(iter_modules(__path__), key=lambda module: module.name)
    }

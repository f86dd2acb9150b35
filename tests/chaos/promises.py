"""Whether the promises were kept: what the database, the mail server and the CRM hold, against what was acknowledged.

What should be there is worked out from the event log alone, one lead after the other, by the pure engine in a single
step, and the scores once more by hand. Whatever a kill doubled or lost makes a difference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.company import BUNDLE, HALF_LIFE, WAIT, points
from tests.chaos.fleet import wait_for
from workers.engine.decay import HalfLife
from workers.engine.decide import decide
from workers.engine.values import Event, LeadState, Promote, Send, micros
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from tests.chaos.fleet import Fleet
    from workers.engine.values import Decision

RULEBOOK: Final = compile_rulebook(BUNDLE)
ONCE: Final = ("scored", "enrolled", "not_enrolled", "sent", "waiting", "finished", "promoted")
"""Kinds of decisions of which there is a number that no batching changes."""
SHOWN: Final = 10

_EVENTS: Final = """
    SELECT id, event_id, type, least(occurred_at, received_at) AS at, properties, lead, subject FROM events ORDER BY id
"""
_LEADS: Final = "SELECT id, email, state FROM leads"
_DECISIONS: Final = "SELECT lead_id, kind, rule, event_id FROM decisions WHERE kind = ANY(:kinds)"
_OUTBOX: Final = "SELECT o.*, l.email FROM outbox o JOIN leads l ON l.id = o.lead_id"
_WAITING: Final = """
    SELECT (SELECT count(*) FROM inbox) AS inbox,
           (SELECT count(*) FROM leads WHERE wake_at < now() + interval '1 hour') AS wakings,
           (SELECT count(*) FROM outbox WHERE state IN ('pending', 'sending', 'retry')) AS outbox,
           (SELECT greatest(0, count(*) - :unclear) FROM outbox WHERE state = 'ambiguous') AS unclear
"""


@dataclass(frozen=True)
class Numbers:
    """What a run came to, for people."""

    events: int
    leads: int
    mails: int
    ambiguous: int
    ambiguous_arrived: int
    deals: int


@dataclass(frozen=True)
class Expected:
    """One lead as the event log says it should be."""

    state: LeadState
    decisions: tuple[Decision, ...]


def settle(fleet: Fleet, unclear: int) -> None:
    """Wait until nothing is left to do: no event, no wake-up, no effect on its way.

    Nor more than `unclear` ambiguous ones: a process that was only slow still tells what became of its mails.
    """

    def waiting() -> dict[str, int]:
        return dict(fleet.rows(_WAITING, unclear=unclear)[0]._mapping)

    wait_for("everything is done", lambda: not any(waiting().values()), told=lambda: f"left: {waiting()}")


def check(fleet: Fleet, acknowledged: Iterable[str]) -> Numbers:
    """Compare everything.

    Raises:
        AssertionError: a promise is broken; the message has the first differences of each.
    """
    events, leads, outbox = fleet.rows(_EVENTS), fleet.rows(_LEADS), fleet.rows(_OUTBOX)
    expected = _expected(events, leads)
    broken = {
        "the log holds every acknowledged event, and each once": _unequal(
            Counter(set(acknowledged)), Counter(each.event_id for each in events)
        ),
        "nothing was quarantined": [str(row) for row in fleet.rows("SELECT reason, detail FROM quarantine")],
        "each lead is what its events make of it": list(_wrong_leads(events, leads, expected)),
        "each decision was made once": _unequal(
            Counter(_named(id_, d.kind, d.rule, d.event) for id_, each in expected.items() for d in each.decisions),
            Counter(_named(*row) for row in fleet.rows(_DECISIONS, kinds=[*ONCE])),
        ),
        "the outbox holds each effect once": _unequal(
            Counter(key for each in expected.values() for key in _keys(each.decisions)),
            Counter(row.key for row in outbox),
        ),
        "every mail arrived once, an ambiguous one at most once": list(_wrong_mails(outbox, fleet.mails.arrived())),
        "every promotion made one opportunity": list(_wrong_deals(fleet, outbox)),
    }
    assert not any(broken.values()), _report(broken)
    mails, deals = fleet.mails.count, len(fleet.crm.deals)
    return Numbers(len(events), len(leads), mails, *ambiguous(fleet), deals)


def _report(broken: Mapping[str, list[str]]) -> str:
    kept = {promise: differences for promise, differences in broken.items() if differences}
    return "\n".join(
        f"broken {len(differences)} times: {promise}\n  " + "\n  ".join(differences[:SHOWN])
        for promise, differences in kept.items()
    )


def _unequal(right: Counter[Any], found: Counter[Any]) -> list[str]:
    """One sentence for each difference."""
    names = sorted((name for name in right.keys() | found.keys() if right[name] != found[name]), key=str)
    return [f"{name}: should be there {right[name]} times and is {found[name]} times" for name in names]


# ── what should be ───────────────────────────────────────────────────────────────────────────────────────────


def _expected(events: Iterable[Any], leads: Iterable[Any]) -> dict[int, Expected]:
    ids = {f"email:{lead.email}": lead.id for lead in leads}
    by_lead: dict[int, list[Event]] = defaultdict(list)
    for row in events:
        told = {"email": row.subject.removeprefix("email:"), **row.lead}
        by_lead[ids.get(row.subject, 0)].append(Event(row.id, row.type, row.at, row.properties, told))
    now = datetime.now(UTC)
    return {id_: _from_scratch(id_, theirs, now) for id_, theirs in by_lead.items()}


def _from_scratch(lead_id: int, events: list[Event], now: datetime) -> Expected:
    """The lead after all of its events at once, and after its waits."""
    first = decide(LeadState(), lead_id, events, RULEBOOK, now)
    second = decide(first.state, lead_id, (), RULEBOOK, now + WAIT)
    return Expected(second.state, tuple(d for d in (*first.decisions, *second.decisions) if d.kind in ONCE))


def _keys(decisions: Iterable[Decision]) -> Iterator[str]:
    return (each.effect.key for each in decisions if isinstance(each.effect, Send | Promote))


def _named(lead_id: int, kind: str, rule: str, event_id: int | None) -> tuple[Hashable, ...]:
    """What makes a decision one. Of several events that could have been the one to enrol, any may be it."""
    return (lead_id, "enrolled or not" if kind in {"enrolled", "not_enrolled"} else kind, rule, event_id)


# ── what is ──────────────────────────────────────────────────────────────────────────────────────────────────


def _wrong_leads(events: Iterable[Any], leads: Iterable[Any], expected: Mapping[int, Expected]) -> Iterator[str]:
    worth: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for row in events:
        worth[row.subject.removeprefix("email:")].append((points(row.type, row.properties), row.at))
    found = {lead.id: lead for lead in leads}
    for id_ in expected.keys() - found.keys():
        yield f"{expected[id_].state.events} events belong to no lead"
    for id_ in sorted(found.keys() - expected.keys()):
        yield f"lead {id_} came from nowhere"
    for id_, lead in found.items():
        if id_ in expected:
            yield from _differences(lead, expected[id_].state, worth[lead.email])


def _differences(lead: Any, right: LeadState, worth: list[tuple[int, datetime]]) -> Iterator[str]:
    state = LeadState.load(lead.state)
    for name in ("events", "last", "scores", "promotions", "stage"):
        if getattr(state, name) != getattr(right, name):
            yield f"lead {lead.id}: {name} is {getattr(state, name)} and should be {getattr(right, name)}"
    now = max(at for _, at in worth)
    by_hand = sum(number * 0.5 ** ((now - at) / HALF_LIFE) for number, at in worth)
    decay = HalfLife(HALF_LIFE // timedelta(microseconds=1))
    read = decay.worth(state.scores.get("engagement", 0), micros(now))
    if abs(read - by_hand) > 1e-4:
        yield f"lead {lead.id}: engagement reads {read}, by hand it is {by_hand}"


def _wrong_mails(outbox: Iterable[Any], arrived: Counter[tuple[str, str]]) -> Iterator[str]:
    mails = {(row.email, row.payload["template"]): row for row in outbox if row.channel == "email"}
    for name in arrived.keys() - mails.keys():
        yield f"mail {name} arrived and was never to be sent"
    for name, row in mails.items():
        number = arrived[name]
        if row.state not in {"sent", "ambiguous"} or number > 1 or (row.state == "sent" and number != 1):
            yield f"mail {name} is {row.state} ({row.reason}, {row.attempts} attempts) and arrived {number} times"


def _wrong_deals(fleet: Fleet, outbox: Iterable[Any]) -> Iterator[str]:
    right = Counter(row.email for row in outbox if row.channel == "crm")
    yield from _unequal(right, Counter(email for email, _ in fleet.crm.deals_by_contact()))
    yield from _unequal(right, Counter(deal["dealname"] for deal in fleet.crm.deals))
    for row in outbox:
        if row.channel == "crm" and row.state != "sent":
            yield f"promotion {row.key} is {row.state} ({row.reason}, {row.attempts} attempts)"
    for row in fleet.rows("SELECT key FROM opportunities WHERE ref IS NULL OR accepted_at IS NULL"):
        yield f"opportunity {row.key} does not know that the CRM has it"


def ambiguous(fleet: Fleet) -> tuple[int, int]:
    """How many mails are ambiguous, and how many of these arrived."""
    arrived = fleet.mails.arrived()
    unclear = [(row.email, row.payload["template"]) for row in fleet.rows(_OUTBOX) if row.state == "ambiguous"]
    return len(unclear), sum(arrived[name] for name in unclear)


def told(numbers: Numbers, **more: object) -> str:
    """The numbers in a line."""
    return " ".join(f"{name}={value}" for name, value in (asdict(numbers) | more).items())

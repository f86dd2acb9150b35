"""The work of one transaction: identify, load, decide, write."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import orjson

from workers.engine.values import OWN_SOURCE, Decision, Hook, Notify, Promote, Record, Send
from workers.exceptions import NeedsHistory
from workers.log import get_logger
from workers.pipeline import progress, wishes
from workers.pipeline.forgotten import erase_forgotten
from workers.pipeline.owners import hand_out, rota
from workers.pipeline.processed import Processed
from workers.pipeline.verdict import EVENT_WAITS, Turn, Verdict, judge
from workers.store import (
    campaign_counts,
    decisions,
    enrolments,
    events,
    evidence,
    identities,
    leads,
    opportunities,
    outbox,
    quarantine,
)
from workers.store.campaign_counts import utc_day
from workers.store.events import Failed, NewEvent
from workers.store.evidence import SEEN, Evidence
from workers.store.history import logs
from workers.store.identities import email_of
from workers.store.leads import Lead
from workers.store.opportunities import Opportunity
from workers.store.outbox import Effect
from workers.store.quarantine import PoisonEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.pipeline.verdict import Decide
    from workers.store.events import Claimed
    from workers.store.evidence import Proved
    from workers.store.identities import Assignment, Conflict
    from workers.store.rulebooks import Active

log = get_logger(__name__)

POISON: Final = "processing-failed"
"""Reason of an event that failed as often as it may."""
GONE: Final = "event-gone"
UNKNOWN_MESSAGE: Final = "unknown-message"
"""Reason of an event that names nobody but a message we never sent."""
IDENTITY_CONFLICT: Final = "identity-conflict"
MAIL_KEY: Final = "mail:"
"""How keys of mails to leads begin (`workers.engine.steps.send`)."""
LOADED: Final = 20_000
"""Events of leads' logs that are in memory at a time; a single lead's log may be longer."""
RECOUNTED: Final = 3_000
"""Events that one batch counts anew because rules changed (a tenth of a second): new events wait no longer than that.
Leads with new events are counted anew in any case, the others after them and as far as this goes."""
ABOUT_MAIL: Final = "email."
"""Events of these types come from whoever sent the mail, or from a link that stands in nothing but that mail."""
LONGEST_WORD: Final = 2000


class Batch:
    """What happens between claiming and committing.

    Args:
        conn: inside the transaction that claimed, and holds the slices.
        shard: one of these slices, whose counters are used.
    """

    def __init__(self, conn: Connection, shard: int, active: Active, now: datetime, decide: Decide) -> None:
        self._conn = conn
        self._shard = shard
        self._active = active
        self._now = now
        self._decide = decide
        self._left: list[int] = []

    def work(self, claimed: list[Claimed], due: Collection[int]) -> Processed:
        """Process these events and wake-ups, and write everything that comes of them."""
        come = [event for event in claimed if event.type is not None]
        there = erase_forgotten(self._conn, come, self._active.rulebook)
        forgotten = len(come) - len(there)
        claimed = [*there, *(event for event in claimed if event.type is None)] if forgotten else claimed
        notices = self._notices(there)
        theirs = [event for event in there if event.id not in notices]
        who = identities.assign(self._conn, theirs)
        verdicts = self._judge(theirs, due, who)
        addresses = {event.id: email_of(event) for event in theirs}
        done = self._refuse(claimed, who, verdicts) + self._write(verdicts, who, addresses)
        told = ((verdict.lead, decision) for verdict in verdicts for decision in verdict.decisions)
        sources = {event.id: event.source for event in theirs}
        wishes.keep_consents(self._conn, told, sources, self._active.id, self._now)
        proved = self._prove(theirs, who)
        self._note_progress(verdicts, proved)
        return done + Processed(
            proved=proved.rows, notices=len(notices), forgotten=forgotten, more=frozenset(self._left)
        )

    def _notices(self, there: list[Claimed]) -> frozenset[int]:
        """Events about our messages to colleagues: whoever reads those is not a lead for it."""
        keys = {
            str(key): event.id
            for event in there
            if (key := event.properties.get("message_key")) and not str(key).startswith(MAIL_KEY)
        }
        known = outbox.notices(self._conn, keys)
        return frozenset(event.id for event in there if str(event.properties.get("message_key")) in known)

    def _judge(self, there: list[Claimed], due: Collection[int], who: Assignment) -> list[Verdict]:
        """Load and hold the leads, and let the engine decide about each."""
        by_lead: dict[int, list[Claimed]] = defaultdict(list)
        for event in there:
            if event.id in who.leads:
                by_lead[who.leads[event.id]].append(event)
        verdicts, waiting = [], []
        for lead in self._leads(by_lead.keys() | set(due), who):
            woken = lead.wake_at is not None and lead.wake_at <= self._now
            turn = Turn(lead, by_lead.get(lead.id, ()), woken)
            if turn.woken or turn.events:  # else another worker saw to the wake-up while we waited for the row
                try:
                    verdicts.append(self._one(turn))
                except NeedsHistory:
                    waiting.append(turn)
        return [*verdicts, *self._recount(waiting)]

    def _one(self, turn: Turn) -> Verdict:
        return judge(turn, self._active.rulebook, self._now, self._decide)

    def _recount(self, waiting: list[Turn]) -> Iterator[Verdict]:
        """Decide about the leads that have to be counted anew from their logs, a few logs at a time."""
        chosen = [turn for turn in waiting if turn.events]
        asleep = [turn for turn in waiting if not turn.events]
        affordable = next(chunks(asleep, RECOUNTED), [])
        self._left = [turn.lead.slice for turn in asleep[len(affordable) :]]  # they stay due, and are found again
        for chunk in chunks([*chosen, *affordable], LOADED):
            found = logs(self._conn, [turn.lead.id for turn in chunk])
            for turn in chunk:
                yield self._one(turn.with_log(found.pop(turn.lead.id)))

    def _leads(self, wanted: set[int], who: Assignment) -> Iterator[Lead]:
        if existing := wanted - who.created.keys():
            yield from leads.lock(self._conn, existing)
        for id_, slice_ in who.created.items():
            yield Lead(id_, slice_, None, {}, None)

    def _refuse(self, claimed: list[Claimed], who: Assignment, verdicts: list[Verdict]) -> Processed:
        """Give back, or up, the events that nothing came of."""
        failed = [failure for verdict in verdicts for failure in verdict.failed]
        quarantined = give_back(self._conn, failed, self._now)
        held = sum(hold(self._conn, v.lead, v.held, self._now) for v in verdicts if v.stuck)
        unknown = set(who.unknown)
        given_up = [
            PoisonEvent(event.id, event.source or "", *_verdict_on(event), event.received_at)
            for event in claimed
            if event.type is None or event.id in unknown
        ]
        quarantine.add_events(self._conn, given_up, self._now)
        return Processed(
            events=len(claimed) - len(failed) - len(given_up) - held,
            recounted=sum(verdict.recounted for verdict in verdicts),
            failed=len(failed) - quarantined + sum(verdict.stuck for verdict in verdicts),
            held=held,
            quarantined=quarantined + len(given_up),
        )

    def _write(self, verdicts: list[Verdict], who: Assignment, addresses: Mapping[int, str | None]) -> Processed:
        """Store the leads, the decisions, and what is to be done because of them."""
        conn, rulebook, now = self._conn, self._active.id, self._now
        told = [(verdict.lead, decision) for verdict in verdicts for decision in verdict.decisions]
        made = hand_out(conn, told, now)  # before anything is written: see `hold_owners`
        leads.add(conn, [v.lead for v in verdicts if v.lead.id in who.created], rulebook, now)
        leads.save(conn, [v.lead for v in verdicts if v.lead.id not in who.created], rulebook, now)
        effects = list(_effects(made))
        own = [_own_event(lead, d.effect, self._shard, now) for lead, d in made if isinstance(d.effect, Record)]
        identities.name_leads(conn, {lead.id for lead, decision in made if isinstance(decision.effect, Record)})
        conflicts = [self._conflict(conflict) for conflict in who.conflicts]
        return Processed(
            leads=len(verdicts),
            created=len(who.created),
            woken=sum(verdict.woken for verdict in verdicts),
            decisions=decisions.append(conn, [*((lead.id, d) for lead, d in made), *conflicts], rulebook, now),
            outbox=outbox.put(conn, effects, rulebook, now),
            recorded=events.append(conn, own, now).accepted if own else 0,
            promoted=opportunities.add(conn, _opportunities(made), now),
            suppressed=wishes.suppress(conn, made, addresses, now),
            conflicts=len(conflicts),
            channels=frozenset(effect.channel for effect in effects),
        )

    def _conflict(self, conflict: Conflict) -> tuple[int, Decision]:
        detail = {"reason": IDENTITY_CONFLICT, "identity": conflict.identity, "other_lead": conflict.other_lead_id}
        version = self._active.rulebook.version
        return conflict.lead_id, Decision("skipped", self._now, "identity", version, conflict.event_id, detail)

    def _prove(self, there: list[Claimed], who: Assignment) -> Proved:
        """What becomes of a mail proves that it was taken, if the event is about whom we wrote to."""
        told = [
            Evidence(
                event.id, who.leads[event.id], _word(event, "message_key"), _word(event, "message_id"), became(event)
            )
            for event in there
            if event.id in who.leads and (event.type or "").startswith(ABOUT_MAIL)
        ]
        return evidence.prove(self._conn, told, self._now)

    def _note_progress(self, verdicts: list[Verdict], proved: Proved) -> None:
        """Where everybody stands in campaigns now, and what has happened there."""
        enrolments.put(self._conn, progress.runs(verdicts), self._now)
        counts = progress.happened(verdicts, self._active.rulebook, utc_day(self._now))
        counts.update(proved.became)
        campaign_counts.add(self._conn, self._shard, counts)


def give_back(conn: Connection, failed: Iterable[tuple[Claimed, str]], now: datetime) -> int:
    """Put events that failed back into the inbox for later, or into the quarantine after the last try.

    Returns:
        how many were given up.
    """
    again, given_up = [], []
    for event, error in failed:
        if event.attempts < len(EVENT_WAITS):
            not_before = now + EVENT_WAITS[event.attempts]
            again.append(Failed(event, event.attempts + 1, not_before, error))
            log.warning("event_failed", id=event.id, attempt=event.attempts + 1, error=error.partition(":")[0])
        else:
            given_up.append(PoisonEvent(event.id, event.source, POISON, error, event.received_at))
            log.error("event_given_up", id=event.id, error=error.partition(":")[0])
    events.put_back(conn, again)
    return quarantine.add_events(conn, given_up, now)


def hold(conn: Connection, lead: Lead, waiting: Iterable[Claimed], now: datetime) -> int:
    """Let events wait until their lead is looked at again; they are not to blame, so no try is counted.

    Returns:
        how many wait.
    """
    until = lead.wake_at or now
    error = f"waits for lead {lead.id}, whose wake-up fails: {lead.error}"
    held = [Failed(event, event.attempts, until, error, lead.id) for event in waiting]
    events.put_back(conn, held)
    word = (lead.error or "").partition(":")[0]
    log.warning("lead_stuck", id=lead.id, failures=lead.failures, error=word, until=until.isoformat(), held=len(held))
    return len(held)


def chunks(turns: Iterable[Turn], most: int) -> Iterator[list[Turn]]:
    """The turns in runs whose leads have about so many events together; one that has more is alone or the last."""
    chunk: list[Turn] = []
    size = 0
    for turn in turns:
        if size >= most:
            yield chunk
            chunk, size = [], 0
        chunk.append(turn)
        size += int(turn.lead.state.get("events", 0)) + len(turn.events)
    if chunk:
        yield chunk


def _verdict_on(event: Claimed) -> tuple[str, str]:
    """Why an event is given up at once: the reason and a sentence."""
    if event.type is None:
        return GONE, "the event log no longer holds this event; its partition was dropped before it was processed"
    return UNKNOWN_MESSAGE, f"it names nobody but {event.subject}, and no such message was ever sent from here"


def became(event: Claimed) -> int:
    """What an event says of a mail, as far as it is counted. What machines do, and bounces for now, are not."""
    what = (event.type or "").removeprefix(ABOUT_MAIL)
    if event.properties.get("machine") is True or (what == "bounced" and event.properties.get("kind") == "soft"):
        return 0
    return SEEN.get(what, 0)


def _word(event: Claimed, name: str) -> str:
    """A property, if it is text that one of our own could be."""
    value = event.properties.get(name)
    return value if isinstance(value, str) and len(value) <= LONGEST_WORD else ""


def _effects(made: Iterable[tuple[Lead, Decision]]) -> Iterator[Effect]:
    for lead, decision in made:
        match decision.effect:
            case Send(key, campaign, step, template, confirms):
                payload = {"campaign": campaign, "step": step, "template": template}
                if confirms:
                    payload["confirms"] = confirms
                yield Effect(key, "email", lead.id, payload)
            case Promote(key, crm, opportunity):
                yield Effect(key, "crm", lead.id, {"crm": crm, "opportunity": opportunity}, crm)
            case Notify(key, to, subject, body):
                yield Effect(key, "email", lead.id, {"to": to, "subject": subject, "text": body})
            case Hook(key, hook, payload):
                yield Effect(key, "webhook", lead.id, payload, hook)


def _own_event(lead: Lead, record: Record, slice_: int, now: datetime) -> NewEvent:
    """What a campaign tells the log. Its id is the key, so that nothing is told twice.

    It is worked on in a slice that this batch holds, whatever its subject: by whoever is at it, in the next batch.
    """
    subject = identities.of_our_own(lead.id)
    payload = orjson.dumps({"type": record.type, "properties": record.properties, "lead": record.lead})
    return NewEvent(
        OWN_SOURCE, record.key, record.type, now, subject, (subject,), record.properties, record.lead, payload,
        slice_,
    )  # fmt: skip


def _opportunities(made: Iterable[tuple[Lead, Decision]]) -> Iterator[Opportunity]:
    for lead, decision in made:
        if isinstance(effect := decision.effect, Promote):
            owner, among = effect.opportunity.get("owner") or "", rota(effect.owners) if effect.owners else ""
            yield Opportunity(effect.key, lead.id, effect.crm, effect.opportunity, owner=owner, rota=among)

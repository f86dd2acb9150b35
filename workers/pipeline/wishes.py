"""What people want to get and not to get, written down: the suppression list and the history of consent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from integrations.addresses import normalised
from workers.engine.categories import GIVEN
from workers.engine.values import Consent, Suppress
from workers.store import consents, suppressions
from workers.store.suppressions import UNSUBSCRIBED, Suppression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.values import Decision
    from workers.store.leads import Lead

NEVER: Final = -1


def suppress(
    conn: Connection, made: Sequence[tuple[Lead, Decision]], addresses: Mapping[int, str | None], now: datetime
) -> int:
    """Write down who may not be mailed any more, and who may again: what was said last of an address counts.

    Args:
        conn: in the batch's transaction.
        made: the decisions of the batch in their order.
        addresses: the address that each event names. It counts, as an old one may bounce; else the lead's.
        now: of the batch.

    Returns:
        how many entries are new.
    """
    wanted = {email: place for place, email in wanted_again(made, addresses)}
    barred = {(entry.email, entry.reason): (place, entry) for place, entry in refused(made, addresses)}
    again = [email for email, at in wanted.items() if at > barred.get((email, UNSUBSCRIBED), (NEVER,))[0]]
    if again:
        suppressions.remove(conn, again, now, author="", why="consent was given", reason=UNSUBSCRIBED)
    kept = [e for place, e in barred.values() if e.reason != UNSUBSCRIBED or place > wanted.get(e.email, NEVER)]
    return suppressions.add(conn, kept, now)


def refused(
    made: Iterable[tuple[Lead, Decision]], addresses: Mapping[int, str | None]
) -> Iterator[tuple[int, Suppression]]:
    """New entries, each with the place of its decision."""
    for place, (lead, decision) in enumerate(made):
        if isinstance(effect := decision.effect, Suppress) and (email := address_of(lead, decision, addresses)):
            yield place, Suppression(email, effect.reason, lead.id, decision.event)


def wanted_again(
    made: Iterable[tuple[Lead, Decision]], addresses: Mapping[int, str | None]
) -> Iterator[tuple[int, str]]:
    """Addresses whose people want marketing mail, each with the place of the decision that says so."""
    for place, (lead, decision) in enumerate(made):
        effect = decision.effect
        wants = isinstance(effect, Consent) and effect.standing == GIVEN and effect.action != "withdrawn"
        if wants and (email := address_of(lead, decision, addresses)):
            yield place, email


def address_of(lead: Lead, decision: Decision, addresses: Mapping[int, str | None]) -> str:
    """Whose address a decision is about, as the list has it; empty if there is none."""
    return normalised((decision.event and addresses.get(decision.event)) or lead.email or "")


def keep_consents(
    conn: Connection,
    made: Iterable[tuple[Lead, Decision]],
    sources: Mapping[int, str],
    rulebook: int,
    now: datetime,
) -> int:
    """Write down what people said about our mail; returns how many lines. `sources` says who sent each event."""
    said = [
        (lead.id, decision.event, decision.effect)
        for lead, decision in made
        if isinstance(decision.effect, Consent) and decision.event is not None
    ]
    return consents.add(conn, said, sources, rulebook, now)

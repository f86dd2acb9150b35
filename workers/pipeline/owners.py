"""Who gets each promotion: decided where all promotions are known, so that weights and caps hold across workers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from workers.engine.owners import next_owner
from workers.engine.values import Promote
from workers.store import opportunities
from workers.store.locks import hold_owners

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import Owner
    from workers.engine.values import Decision
    from workers.store.leads import Lead

Made = tuple["Lead", "Decision"]
"""A decision and whom it is about."""


def hand_out(conn: Connection, made: Sequence[Made], now: datetime) -> list[Made]:
    """The same decisions, every promotion among them with its owner.

    Counts are read, and stay true until this transaction commits, under a lock that all workers share.
    """
    taking_turns = [effect.owners for _, decision in made if (effect := turn_of(decision))]
    if not taking_turns:
        return list(made)
    hold_owners(conn)
    book = Book(conn, taking_turns, now)
    return [(lead, assigned(decision, book)) for lead, decision in made]


def turn_of(decision: Decision) -> Promote | None:
    """The promotion in a decision, if somebody takes turns for it."""
    effect = decision.effect
    return effect if isinstance(effect, Promote) and effect.owners else None


def assigned(decision: Decision, book: Book) -> Decision:
    """The decision with the owner whose turn it is in hand-off and detail; any other as it is."""
    effect = turn_of(decision)
    if effect is None:
        return decision
    owner, why = book.give(effect.owners, effect.fallback)
    handed = replace(effect, opportunity={**effect.opportunity, "owner": owner})
    return decision._replace(effect=handed, detail={**decision.detail, "owner": owner, **why})


def rota(owners: Iterable[Owner]) -> str:
    """What names a round robin: its people and weights. Changing either begins a new round at nobody's expense.

    Otherwise somebody who joins would get every lead until they had as many as those who were there for years.
    """
    shares = json.dumps([[owner.email, owner.weight] for owner in owners])
    return blake2b(shares.encode(), digest_size=8).hexdigest()


class Book:
    """How many opportunities everybody was given, those of this transaction included.

    Args:
        conn: holds the owners' lock.
        lists: everybody who may get one.
    """

    def __init__(self, conn: Connection, lists: Sequence[tuple[Owner, ...]], now: datetime) -> None:
        rotas = {rota(owners) for owners in lists}
        windows = {(owner.email, owner.cap_days) for owners in lists for owner in owners if owner.cap is not None}
        self._turns = Counter(opportunities.turns(conn, rotas))
        self._recently = Counter(opportunities.recently(conn, windows, now))

    def give(self, owners: tuple[Owner, ...], fallback: str) -> tuple[str, dict[str, Any]]:
        """Whose turn it is, noted as given; and what explains it: who has how many, and who is at their cap."""
        name = rota(owners)

        def given(email: str, days: int | None) -> int:
            return self._turns[name, email] if days is None else self._recently[email, days]

        owner = next_owner(owners, given, fallback)
        full = [each.email for each in owners if each.cap is not None and given(each.email, each.cap_days) >= each.cap]
        why = {"given": {each.email: given(each.email, None) for each in owners}}
        self._turns[name, owner] += 1
        for email, days in list(self._recently):
            self._recently[email, days] += email == owner
        return owner, why | ({"at_cap": full} if full else {})

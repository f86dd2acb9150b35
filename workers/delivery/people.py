"""What is known of the people of a chunk as of the instant of sending: if they may be mailed, and where they stand."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from workers.exceptions import StoreUnavailable
from workers.store import consents, leads, suppressions
from workers.store.database import transaction

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Engine

    from workers.delivery.senders import Sender
    from workers.store.outbox import Claim

FRESH: Final = 0.05
"""Seconds for which a look at suppressions and consent counts as the instant of sending. The first look is made by the
transaction that claims. With a provider that takes longer for a mail every mail is looked up by itself, with a fast one
a few together are; those may wait for each other as long again (`together.LONGEST`, `integrations.contracts.PROMPT`).
So no mail begins to leave later than a tenth of a second after somebody's refusal was committed."""


class People:
    """The claims of a chunk, as the people they are for have it.

    Args:
        engine: the store.
        sender: only mail asks for anybody's consent, and some mails ask where somebody stands.
        claims: in the order in which they will be asked for.
        known: what they say of their people was looked up just now; otherwise it has to be, first of all.
    """

    def __init__(self, engine: Engine, sender: Sender, claims: Sequence[Claim], *, known: bool) -> None:
        self._engine = engine
        self._claims = list(claims)
        self._sender = sender
        self._looked = time.monotonic() if known else -math.inf
        self._asks = sender.channel == "email"
        self._away = False
        self._whole: frozenset[int] | None = None

    def now(self, number: int) -> Claim | None:
        """The claim of this number; None where PostgreSQL is away, so that nobody knows."""
        if self._asks and not self._away:
            try:
                self._look(number)
            except StoreUnavailable:
                self._away = True  # for all of the chunk: each try takes seconds
        return None if self._away else self._claims[number]

    def _look(self, number: int) -> None:
        """Look up those from this one on, if it is not known well enough any more."""
        if self._whole is None:
            self._whole = frozenset(claim.id for claim in self._claims if self._wants(claim))
            self._looked = -math.inf if self._whole else self._looked  # claiming tells of nobody where they stand
        if time.monotonic() - self._looked > FRESH:
            self._claims[number:] = self._looked_up(self._claims[number:], self._whole)
            self._looked = time.monotonic()

    def _wants(self, claim: Claim) -> bool:
        """True if the mail asks where its lead stands."""
        try:
            return self._sender.asks(claim)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001  making it ready meets that again, and gives up this mail alone
            return False

    def _looked_up(self, claims: Sequence[Claim], whole: Collection[int]) -> list[Claim]:
        with transaction(self._engine) as conn:
            barred = suppressions.reasons(conn, [claim.email for claim in claims if claim.email])
            said = consents.now_are(conn, [claim.lead_id for claim in claims])
            states = leads.states(conn, {claim.lead_id for claim in claims if claim.id in whole})
        return [
            replace(
                claim,
                suppressed=barred.get(claim.email or "", ""),
                consents=said.get(claim.lead_id, {}),
                state=states.get(claim.lead_id, {}) if claim.id in whole else None,
            )
            for claim in claims
        ]

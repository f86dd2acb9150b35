"""Events about people who were erased: erased as they come in, until one of them says that the person consents anew.

Whoever fills in a form with its consent box ticked wants to be known again, and begins as a stranger. Anything else, a
late bounce, a page that was looked at, an upload of an old list, is not their wish.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.engine.event_types import GIVE
from workers.store import erasure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook
    from workers.store.events import Claimed

NO_FACTS: Final[Any] = None
"""The rulebook refuses signs of consent that ask for more than event and fields."""


def erase_forgotten(conn: Connection, there: Sequence[Claimed], rulebook: Rulebook) -> list[Claimed]:
    """Erase from the log what is about erased people.

    Args:
        conn: in the batch's transaction.
        there: events that were claimed, in their order.
        rulebook: says what counts as consent.

    Returns:
        the others, which are to be processed.
    """
    known = erasure.forgotten(conn, {name for event in there for name in event.identities})
    if not known:
        return [*there]
    kept, gone, named = [], [], set()
    for event in there:
        of_erased = known.intersection(event.identities)
        if of_erased and not consents(event, rulebook):
            gone.append((event.id, event.received_at))
            named.add(next(name for name in event.identities if name in of_erased))
            continue
        if of_erased:
            known -= of_erased
            erasure.remember(conn, of_erased)
        kept.append(event)
    if gone:
        erasure.erase_arrived(conn, gone, named)
    return kept


def consents(event: Claimed, rulebook: Rulebook) -> bool:
    """True if the event says that the person wants to hear from us."""
    if event.type == GIVE:
        return event.properties.get("category") in rulebook.consent.categories
    return any(
        sign.when is None or sign.when.value(event.properties, event.lead or {}, NO_FACTS) is True
        for _, sign in rulebook.signs.get(event.type or "", ())
    )

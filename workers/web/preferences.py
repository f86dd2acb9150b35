"""`/preferences/<token>` and `/confirm/<token>`: what people say about our mail, in their own words and boxes.

Both work without scripts. GET shows and changes nothing, because mail scanners follow every link; POST does what the
button says. What was said goes into the event log like everything else that happens to a lead: which category, the text
that was shown, and where.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.routing import Route

from integrations.contracts import Incoming
from integrations.contracts import Request as Received
from workers import tokens
from workers.engine.categories import PENDING, UNSUBSCRIBED, may_mail, standing
from workers.engine.values import OWN_SOURCE, LeadState
from workers.exceptions import BadToken, Overloaded, StoreUnavailable
from workers.store import leads, suppressions
from workers.tokens import Confirm, Preferences
from workers.web.commit import Delivery
from workers.web.rendering import message, page
from workers.web.unsubscribe import RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from workers.clock import Clock
    from workers.engine.categories import Category, ConsentPolicy
    from workers.web.commit import Committer
    from workers.web.metrics import Metrics
    from workers.web.pages import Reader
    from workers.web.sources import Doors

LONGEST_FORM: Final = 20_000
"""Bytes; the form of a hundred categories has fewer."""
PREFERENCES: Final = "preference centre"
CONFIRMATION: Final = "confirmation mail"
CONFIRMED: Final = "confirmed"
GONE: Final = "We hold nothing about you any more, and send you nothing."


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the preference centre needs them. `barred`: unsubscribed from everything."""

    email: str | None
    state: LeadState
    barred: bool


@dataclass(frozen=True, slots=True)
class Box:
    """A category on the page."""

    category: Category
    ticked: bool
    pending: bool = False


class PreferencePages:
    """The preference centre, and the page behind the link of a confirmation mail."""

    def __init__(
        self, reader: Reader, committer: Committer, metrics: Metrics, clock: Clock, *, doors: Doors, secret: str
    ) -> None:
        self._reader = reader
        self._committer = committer
        self._doors = doors
        self._visits = metrics.preferences
        self._clock = clock
        self._secret = secret

    def routes(self) -> list[Route]:
        """Where they are; the renderer of mails writes the same paths."""
        both = ["GET", "POST"]
        return [
            Route("/preferences/{token}", self.preferences, methods=both),
            Route("/confirm/{token}", self.confirm, methods=both),
        ]

    async def preferences(self, request: Request) -> Response:
        """Show the categories with their boxes, or keep what the boxes say."""
        try:
            link = tokens.read(self._secret, request.path_params["token"], Preferences)
            person = await self._reader.ask(lambda conn: person_of(conn, link.lead_id))
            if person is None:
                return message(200, "Nothing to choose", GONE)
            boxes = boxes_of(person, self._doors.consent)
            if request.method != "POST":
                return page("preferences.html", boxes=boxes, saved=False)
            form = read_form(await body_of(request))
            if form is None:
                self._visits.labels("preferences", "bad-form").inc()
                return message(400, "Nothing was changed", "That was not the form of this page. Please try again.")
            said = changes(boxes, *form)
            await self._keep([event_of(link.key, person, each, self._clock()) for each in said])
        except BadToken:
            return self._bad_link("preferences")
        except (StoreUnavailable, Overloaded):
            return self._unavailable("preferences")
        self._visits.labels("preferences", "saved" if said else "unchanged").inc()
        changed = {each.category.name: each for each in said}
        return page("preferences.html", boxes=[changed.get(box.category.name, box) for box in boxes], saved=True)

    async def confirm(self, request: Request) -> Response:
        """Show the button, or do what it says."""
        try:
            link = tokens.read(self._secret, request.path_params["token"], Confirm)
            person = await self._reader.ask(lambda conn: person_of(conn, link.lead_id))
            category = self._doors.consent.categories.get(link.category)
            if person is None or category is None:
                return message(200, "Nothing to confirm", GONE if person is None else "We do not send this any more.")
            if request.method != "POST":
                return page("confirm.html", category=category)
            await self._keep([event_of(link.key, person, Box(category, ticked=True), self._clock(), CONFIRMED)])
        except BadToken:
            return self._bad_link("confirm")
        except (StoreUnavailable, Overloaded):
            return self._unavailable("confirm")
        self._visits.labels("confirm", "confirmed").inc()
        return message(200, "Thank you", f"You will get {category.title}.")

    async def _keep(self, events: Sequence[Incoming]) -> None:
        """Put into the event log what was said."""
        if events:
            asked = Received(method="POST", url="", headers={}, body=b"", received_at=self._clock())
            await self._committer.submit(Delivery(OWN_SOURCE, asked, events=[*events]))

    def _bad_link(self, where: str) -> Response:
        self._visits.labels(where, "bad-link").inc()
        return message(404, "This link does not work", "It was cut or changed on its way to you. Use the link in the "
                       "e-mail itself.")  # fmt: skip

    def _unavailable(self, where: str) -> Response:
        self._visits.labels(where, "unavailable").inc()
        return message(503, "Please try again", "We could not note this down just now. Nothing was changed; please "
                       "press the button again in a minute.", RETRY_AFTER)  # fmt: skip


def person_of(conn: Connection, lead_id: int) -> Person | None:
    """The lead with its standing; None if there is none."""
    lead = leads.get(conn, lead_id)
    if lead is None:
        return None
    barred = suppressions.reasons(conn, [lead.email]).get(lead.email) if lead.email else None
    return Person(lead.email, LeadState.load(lead.state), barred == UNSUBSCRIBED)


def boxes_of(person: Person, policy: ConsentPolicy) -> list[Box]:
    """Every category, ticked if its mail may go to the person now."""
    consents = person.state.consents
    return [
        Box(
            category,
            ticked=not person.barred and may_mail(consents, policy, category.name),
            pending=standing(consents, category.name) == PENDING,
        )
        for category in policy.categories.values()
    ]


def changes(boxes: Iterable[Box], wanted: set[str], seen: set[str]) -> list[Box]:
    """The boxes about which something new was said, as they are now.

    It is new if it differs from how things stand, or from what the page had shown as ticked: how things stand may be a
    moment old.
    """
    return [
        Box(box.category, ticks, pending=ticks and box.category.double_opt_in)
        for box in boxes
        if (ticks := box.category.name in wanted) != box.ticked or ticks != (box.category.name in seen)
    ]


def event_of(key: str, person: Person, box: Box, now: datetime, action: str = "") -> Incoming:
    """What was said about a category, with the text that stood on the page."""
    category, said = box.category, action or ("given" if box.ticked else "withdrawn")
    own = [("email", person.email)] if person.email else []
    properties = {
        "category": category.name,
        "place": CONFIRMATION if action else PREFERENCES,
        "text": f"{category.title}: {category.description}",
        "message_key": key,
    }
    what = blake2b(f"{key}\n{category.name}\n{said}".encode(), digest_size=12).hexdigest()
    return Incoming(
        event_id=f"consent:{what}:{now.isoformat()}",
        type=f"consent.{said}",
        occurred_at=now,
        identities=(*own, ("message", key)),
        properties=properties,
    )


def read_form(body: bytes) -> tuple[set[str], set[str]] | None:
    """The categories that were ticked, and those that the page had shown as ticked; `none` clears every box.

    None for what no button of ours has sent: an empty form must not be taken for a wish to get nothing.
    """
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return None
    if not {("save", "1"), ("none", "1")} & {*pairs}:
        return None
    wanted = {value for name, value in pairs if name == "category"}
    seen = {value for name, value in pairs if name == "seen"}
    return (set() if ("none", "1") in pairs else wanted), seen


async def body_of(request: Request) -> bytes:
    """The form, as far as one of ours can be long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_FORM:
            return b""
    return body

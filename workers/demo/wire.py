"""The vendors' own formats, as the recording's deliveries carry them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.demo.people import Person

FORMS: Final = {"newsletter": "nWlt7QaZ", "demo": "dM0req4K", "contact": "cNt4ct9X"}
TITLES: Final = {"newsletter": "The Tuesday letter", "demo": "See it on your numbers", "contact": "Talk to us"}
QUESTIONS: Final = {
    "email": "What is your e-mail address?",
    "first_name": "Your first name?",
    "last_name": "And your last name?",
    "company": "Which company are you with?",
    "title": "What do you do there?",
    "employees": "How many people work there?",
    "industry": "Which industry is that?",
    "country": "In which country (two letters)?",
    "seats": "How many of you would use it?",
    "budget": "Is there a budget for the year, in EUR?",
    "timeline": "When would you like to start?",
}
KINDS: Final = {"email": "email", "employees": "number", "seats": "number", "budget": "number", "timeline": "choice"}
FIELD_TYPES: Final = {"email": "email", "number": "number", "choice": "multiple_choice", "text": "short_text"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook delivery of the recording.

    Attributes:
        at: virtual instant at which it is posted, aware, UTC.
        source: route name.
        id: the vendor's id of the delivery; a retry carries the same.
        kind: why it is in the recording: `form`, `product`, `mail`, `duplicate`, `unreadable`, `broken`, …
        body: the raw body, as text.
    """

    at: datetime
    source: str
    id: str
    kind: str
    body: str


@dataclass(frozen=True, slots=True)
class MailEvent:
    """One thing that happened to one e-mail, to be sent in a batch with others."""

    at: datetime
    email: str
    event: str
    category: str
    extra: Mapping[str, Any] = field(default_factory=dict)


def token(*parts: object, size: int = 12) -> str:
    """An id as vendors make them, always the same for the same parts."""
    return blake2b("|".join(map(str, parts)).encode(), digest_size=size).hexdigest()


def stamp(at: datetime) -> str:
    """ISO 8601 in UTC with a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def form_response(at: datetime, form: str, person: Person | None, answers: Mapping[str, Any], kind: str = "") -> str:
    """Typeform's `form_response` (or `form_response_partial`) body."""
    who = person.email if person else "nobody"
    response = {
        "form_id": FORMS[form],
        "token": token("response", who, form, at.timestamp()),
        "landed_at": stamp(at.replace(second=0)),
        "submitted_at": stamp(at),
        "definition": {
            "id": FORMS[form],
            "title": TITLES[form],
            "fields": [form_field(form, ref) | {"title": QUESTIONS[ref], "properties": {}} for ref in answers],
        },
        "answers": [answer(form, ref, value) for ref, value in answers.items()],
    }
    body = {
        "event_id": token("event", who, form, at.timestamp(), kind),
        "event_type": kind or "form_response",
        "form_response": response,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def form_field(form: str, ref: str) -> dict[str, Any]:
    """A question as Typeform names it beside each answer."""
    return {"id": token(form, ref, size=6), "type": FIELD_TYPES[KINDS.get(ref, "text")], "ref": ref}


def answer(form: str, ref: str, value: Any) -> dict[str, Any]:
    """An answer: Typeform puts the value under the name of its type."""
    kind = KINDS.get(ref, "text")
    return {"type": kind, kind: {"label": value} if kind == "choice" else value, "field": form_field(form, ref)}


def product_event(at: datetime, name: str, person: Person | None, data: Mapping[str, Any]) -> str:
    """A Standard Webhooks body: type, timestamp, data."""
    user: dict[str, Any] = {}
    if person:
        user = {"user": {"id": person.user, "email": person.email}}
    body = {"type": name, "timestamp": stamp(at), "data": {**user, **data}}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def mail_events(events: Iterable[MailEvent]) -> str:
    """SendGrid's batch, with the line breaks that it really sends (they are part of what is signed)."""
    rows = [json.dumps(sendgrid_event(event), separators=(",", ":")) for event in events]
    return "[" + ",\r\n".join(rows) + "]\r\n"


def sendgrid_event(mail: MailEvent) -> dict[str, Any]:
    """One event of the SendGrid Event Webhook; an empty address leaves `email` out, as its own test events do."""
    message = token("message", mail.email, mail.category)
    row = {
        "email": mail.email,
        "timestamp": int(mail.at.timestamp()),
        "smtp-id": f"<{message[:16]}@northwind.example>",
        "event": mail.event,
        "category": [mail.category],
        "sg_event_id": token("event", mail.email, mail.event, mail.category, mail.at.timestamp(), size=16),
        "sg_message_id": f"{message}.filterdrecv-{message[:4]}",
        **mail.extra,
    }
    return {name: value for name, value in row.items() if value != ""}

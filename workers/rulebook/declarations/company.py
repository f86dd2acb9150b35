"""Who we are, what we know about people, and what they do: account, machines, fields, events."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Literal

from workers.engine.hours import WORKING_WEEK, Calendar
from workers.rulebook.shape import EVENT_TYPE, HOLE, WORD, Shape, Text, about

FieldType = Literal[
    "text", "integer", "decimal", "money", "boolean", "date", "datetime", "country", "zone", "email", "url", "list",
    "list of text", "list of integer", "list of decimal", "list of money", "list of boolean", "list of date",
    "list of datetime", "list of country", "list of zone", "list of email", "list of url",
]  # fmt: skip
STANDARD_EVENTS: Final = {
    "email.sent": {},
    "email.deferred": {},
    "email.dropped": {"reason": "text"},
    "email.delivered": {},
    "email.opened": {"machine": "boolean"},
    "email.clicked": {"url": "text", "machine": "boolean"},
    "email.bounced": {"kind": "text", "reason": "text"},
    "email.complained": {},
    "email.unsubscribed": {},
    "email.resubscribed": {},
    "email.replied": {},
    "email.auto_replied": {},
    "consent.given": {"category": "text", "text": "text", "place": "text"},
    "consent.confirmed": {"category": "text", "text": "text", "place": "text"},
    "consent.withdrawn": {"category": "text", "text": "text", "place": "text"},
    "suppression.removed": {"reason": "text"},
    "form.submitted": {"form": "text"},
    "page.viewed": {"url": "text"},
    "content.downloaded": {},
    "webinar.attended": {},
    "meeting.booked": {},
    "product.signed_up": {},
    "social.engaged": {},
    "chat.started": {},
    "crm.accepted": {},
    "crm.stage_changed": {"stage": "text"},
    "crm.won": {},
    "crm.lost": {"reason": "text"},
    "lead.updated": {"campaign": "text", "step": "text", "field": "text"},
    "score.adjusted": {"campaign": "text", "step": "text", "model": "text", "points": "decimal"},
}
"""Event types that need no declaration, and what may be asked of them; `events.yaml` adds to it."""
WEBSITE: Final = (r"https?://[^\s/?#]+(/[^\s?#]*)?", "an address like https://northwind.example")
CURRENCY: Final = (r"[A-Z]{3}", "the three capital letters of ISO 4217, like EUR")


@dataclass(frozen=True)
class Machines(Shape):
    """Mail scanners and privacy proxies open mails and follow links before any person does. What they do is kept and
    not scored. If the person does something themselves soon enough, it counts after all, at its own time.
    """

    title = "machines"
    frame = f"machines:\n  {HOLE}"
    credit_within: timedelta = field(
        metadata=about(
            "how long after a machine's open or click a human sign still credits it",
            least=timedelta(minutes=1),
            most=timedelta(days=30),
            example="1 day",
        )
    )


@dataclass(frozen=True)
class Account(Shape):
    """Who we are: in every mail's `From` and footer, and in its unsubscribe headers."""

    title = "the account"
    frame = f"account:\n  {HOLE}"
    company: Text = field(metadata=about("the company's name", example="Northwind Analytics"))
    zone: Text = field(
        metadata=about("IANA time zone in which dates are read, like Europe/Berlin", example="Europe/Berlin")
    )
    currency: Text = field(metadata=about("three letters, like EUR", pattern=CURRENCY, example="EUR"))
    sender: Text = field(
        metadata=about(
            'who mails come from, like "Nora at Northwind <nora@northwind.example>"',
            example='"Nora at Northwind <nora@northwind.example>"',
        )
    )
    address: Text = field(
        metadata=about("the postal address that the law wants in every mail", example="Speicherstraße 12, Hamburg")
    )
    site: Text | None = field(
        default=None,
        metadata=about(
            "your website, which links in mails that begin with `/` lead to",
            pattern=WEBSITE,
            example="https://northwind.example",
        ),
    )
    business: Calendar = field(
        default=WORKING_WEEK,
        metadata=about("which days are business days; default: Monday to Friday", example="{holidays: [DE]}"),
    )


@dataclass(frozen=True)
class AccountFile(Shape):
    """`account.yaml`: the company whose rules these are. There is one."""

    title = "the account's file"
    account: Account = field(metadata=about("who we are"))
    machines: Machines | None = field(default=None, metadata=about("what counts of mail scanners and privacy proxies"))


@dataclass(frozen=True)
class MachinesFile(Shape):
    """`machines.yaml`: what counts of mail scanners and privacy proxies. It may also stand in `account.yaml`."""

    title = "a file of its own"
    machines: Machines = field(metadata=about("what counts of mail scanners and privacy proxies"))


@dataclass(frozen=True)
class Field(Shape):
    """A field of the lead. `first_name: text` is short for `first_name: {type: text}`."""

    shorthand = True
    title = "a field"
    frame = f"fields:\n  industry:\n    {HOLE}"
    type: FieldType = field(
        metadata=about(
            "what its values are: text, integer, decimal, money, boolean, date, datetime, country (DE), zone "
            "(Europe/Berlin), email, url, or `list of` one of these; other values are refused, and recorded",
            example="text",
        )
    )
    merge: Literal["last", "first", "highest", "union"] = field(
        default="last",
        metadata=about(
            "what is kept when several events tell it: `last` and `first` go by the events' own times, `highest` by "
            "the value (numbers, and the latest of dates and times), `union` gathers the items of a list, up to 100",
            example="first",
        ),
    )
    allowed: list[Any] = field(
        default_factory=list,
        metadata=about("the only values that it may have", example="[logistics, retail, manufacturing]"),
    )
    personal: bool = field(
        default=False, metadata=about("personal data: replaced in `dripline export --masked`", example="true")
    )


@dataclass(frozen=True)
class FieldsFile(Shape):
    """`fields.yaml`: what is known about a person, and what rules may ask as `lead.<name>`. `lead.email` is always
    there.
    """

    title = "a file of fields"
    fields: dict[Text, Field] = field(metadata=about("fields by name", pattern=WORD, example="{industry: text}"))


@dataclass(frozen=True)
class EventsFile(Shape):
    """`events.yaml`: what happens, and what rules may ask about it as `event.<name>`. Standard types are there without
    a declaration; one here adds properties to them.
    """

    title = "a file of events"
    events: dict[Text, dict[Text, FieldType]] = field(
        metadata=about(
            "the properties and their types, by event type; there without a declaration: " + ", ".join(STANDARD_EVENTS),
            pattern=EVENT_TYPE,
            example="{trial.started: {plan: text}}",
        )
    )

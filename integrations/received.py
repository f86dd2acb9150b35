"""Mail that comes back: bounces, complaints, auto-replies and answers told apart, each turned into the event it is.

- RFC 3464: delivery status notifications (`multipart/report; report-type=delivery-status`).
- RFC 5965: abuse reports (ARF, `report-type=feedback-report`).
- RFC 3834: automatic responses (`Auto-Submitted`), and what mail programs send instead.
- RFC 8098: read receipts.

Anybody can send such a mail. What it says about a mail of ours therefore counts only if it names that mail's
Message-ID, and it counts for whom that mail went to; an answer counts for the address that it comes from.
"""

from __future__ import annotations

import email
import email.errors
import email.header
import re
from dataclasses import replace
from email.message import Message
from email.utils import parseaddr
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from integrations.addresses import one_spelling
from integrations.contracts import Ignored, Incoming, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from integrations.contracts import Request

OURS: Final = re.compile(r"<([0-9a-f]{32})@[^<>\s]{1,253}>")
"""A Message-ID as we make them."""
STATUS: Final = re.compile(r"\b([245])\.\d{1,3}\.\d{1,3}\b")
SOFT: Final = ("5.2.2", "5.7.")
"""Permanent by their number, and yet about today: a full mailbox, a policy or reputation block."""
AUTOMATIC: Final = ("x-autoreply", "x-autorespond", "x-autorepond", "x-auto-response-suppress-reply")
PRECEDENCE: Final = frozenset({"auto_reply", "auto-reply", "bulk", "junk", "list"})
AWAY: Final = re.compile(
    r"^\s*(auto(matic|matische)?[ -:]*(reply|response|antwort)|out of (the )?office|abwesend|abwesenheit"
    r"|réponse automatique|absence|risposta automatica|respuesta automática|automatisch antwoord)",
    re.IGNORECASE,
)
DAEMON: Final = re.compile(r"^(mailer-daemon|postmaster|mail\.daemon)@", re.IGNORECASE)
ADDRESS: Final = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]{1,253}")
TOKEN: Final = re.compile(r"[!-9;-~]{1,100}")
"""A name of a header."""
LONGEST: Final = 500
LONGEST_IDENTITY: Final = 254
"""Characters of an address (RFC 5321)."""


def read(raw: bytes, now: datetime) -> Incoming | Ignored | Unreadable:
    """What a received mail is.

    Args:
        raw: the whole mail, or its beginning.
        now: when it was taken in, aware.
    """
    return read_message(email.message_from_bytes(raw), raw, now)


def read_message(message: Message, raw: bytes, now: datetime) -> Incoming | Ignored | Unreadable:
    """The same of a mail that was parsed; `raw` is what it came in, to be kept where it cannot be understood."""
    kind = report_kind(message)
    if kind == "delivery-status":
        return bounce(message, raw, now)
    if kind == "feedback-report":
        return complaint(message, raw, now)
    if kind == "disposition-notification":
        return Ignored("read-receipt")
    sender = one_spelling(parseaddr(header(message, "from"))[1])
    if DAEMON.match(sender) or header(message, "return-path").strip() == "<>":
        return Unreadable(
            "unclear-bounce", "a mail server sent it, in no form that says what became of which mail", raw
        )
    if not ADDRESS.fullmatch(sender) or len(sender) > LONGEST_IDENTITY:
        return Unreadable("no-identity", "the mail has no sender that could be answered", raw)
    return answer(message, sender, raw, now)


def report_kind(message: Message) -> str:
    """The kind of report that a mail is; empty if it is none."""
    if message.get_content_type() != "multipart/report":
        return ""
    return str(message.get_param("report-type") or "").lower()


def read_by_webhook(message: Message, request: Request, payload: bytes) -> Incoming | Ignored | Unreadable:
    """The same of a mail that a provider has posted; `payload` is the JSON to be kept of it."""
    made = read_message(message, request.body, request.received_at)
    return replace(made, payload=payload) if isinstance(made, Incoming) else made


def of_headers(pairs: Iterable[tuple[object, object]]) -> Message:
    """A mail of which the headers alone are known, the first of equal ones first."""
    message = Message()
    for name, value in pairs:
        if isinstance(name, str) and isinstance(value, str) and TOKEN.fullmatch(name):
            message[name] = " ".join(value.split())
    return message


# ── reports ──────────────────────────────────────────────────────────────────────────────────────────────────


def bounce(message: Message, raw: bytes, now: datetime) -> Incoming | Ignored | Unreadable:
    """A delivery status notification."""
    fields = [block for block in blocks(message, "message/delivery-status") if block.get("action")]
    failed = next((each for each in fields if each["action"].strip().lower() == "failed"), None)
    if failed is None:
        return Ignored("delivery-report") if fields else Unreadable("malformed", "the report names no recipient", raw)
    status = header(failed, "status").split(" ")[0]
    said = f"{header(failed, 'diagnostic-code')} {status}".strip()
    properties = {"kind": "hard" if is_hard(status) else "soft", "reason": said[:LONGEST]}
    return about_ours("email.bounced", message, raw, now, properties)


def is_hard(status: str) -> bool:
    """True if no later mail will arrive either."""
    found = STATUS.search(status)
    return found is not None and found[1] == "5" and not status.startswith(SOFT)


def complaint(message: Message, raw: bytes, now: datetime) -> Incoming | Ignored | Unreadable:
    """A report of somebody's button `this is spam`, or that it was pressed by mistake."""
    kinds = [header(block, "feedback-type").strip().lower() for block in blocks(message, "message/feedback-report")]
    kind = next((each for each in kinds if each), "")
    if not kind:
        return Unreadable("malformed", "the report does not say what kind it is", raw)
    if kind in {"abuse", "fraud", "virus"}:
        return about_ours("email.complained", message, raw, now, {"kind": kind})
    if kind == "opt-out":
        return about_ours("email.unsubscribed", message, raw, now, {})
    return Ignored(f"feedback-{kind}"[:40])


def about_ours(
    event: str, message: Message, raw: bytes, now: datetime, properties: dict[str, Any]
) -> Incoming | Unreadable:
    """An event about the mail that a report returns."""
    returned = [part for part in message.walk() if part.get_content_type() in {"message/rfc822", "text/rfc822-headers"}]
    ids = (OURS.search(text) for part in returned for text in (returned_id(part),))
    found = next((match for match in ids if match), None)
    if found is None:
        return Unreadable("no-identity", "it is about a mail that was not sent from here, or does not say which", raw)
    told = {**properties, "message_id": found[0].strip("<>")}
    return incoming(event, message, raw, now, ("message", f"#{found[1]}"), told)


def returned_id(part: Message) -> str:
    """The Message-ID of the mail that is returned in a part, whole or only its headers."""
    inner = part.get_payload()
    if isinstance(inner, list):
        return header(inner[0], "message-id") if inner and isinstance(inner[0], Message) else ""
    text = part.get_payload(decode=True)
    return header(email.message_from_bytes(text), "message-id") if isinstance(text, bytes) else ""


def blocks(message: Message, kind: str) -> Iterator[Message]:
    """The groups of fields in parts of a kind."""
    for part in message.walk():
        if part.get_content_type() != kind:
            continue
        inner = part.get_payload()
        if isinstance(inner, list):
            yield from (block for block in inner if isinstance(block, Message))
        elif isinstance(text := part.get_payload(decode=True), bytes):
            yield from (email.message_from_bytes(block) for block in re.split(rb"\r?\n\r?\n", text))


# ── people, and their programs ───────────────────────────────────────────────────────────────────────────────


def answer(message: Message, sender: str, raw: bytes, now: datetime) -> Incoming:
    """Mail from a person, or from a program that answers for them."""
    known = OURS.search(f"{header(message, 'in-reply-to')} {header(message, 'references')}")
    told: dict[str, Any] = {"subject": header(message, "subject")[:LONGEST]}
    if known:
        told["message_id"] = known[0].strip("<>")
    event = "email.auto_replied" if is_automatic(message) else "email.replied"
    return incoming(event, message, raw, now, ("email", sender), told)


def is_automatic(message: Message) -> bool:
    """True if no person wrote this."""
    if header(message, "auto-submitted").split(";")[0].strip().lower() not in {"", "no"}:
        return True
    if any(message.get(name) is not None for name in AUTOMATIC):
        return True
    if header(message, "precedence").strip().lower() in PRECEDENCE or message.get("list-id") is not None:
        return True
    return AWAY.match(header(message, "subject")) is not None


def incoming(  # noqa: PLR0917  (what makes an event)
    event: str, message: Message, raw: bytes, now: datetime, identity: tuple[str, str], properties: dict[str, Any]
) -> Incoming:
    """The event; the same mail read twice is the same event."""
    own = header(message, "message-id").strip() or blake2b(raw, digest_size=16).hexdigest()
    name = blake2b(f"{event}\n{own}\n{identity[1]}".encode(), digest_size=16).hexdigest()
    return Incoming(name, event, now, (identity,), properties)


def header(message: Message, name: str) -> str:
    """A header as text on one line, encoded words read; empty if it is not there."""
    value = message.get(name)
    if value is None:
        return ""
    try:
        text = str(email.header.make_header(email.header.decode_header(str(value))))
    except (LookupError, UnicodeError, ValueError, email.errors.HeaderParseError):  # an encoding that nobody has
        text = str(value)
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())

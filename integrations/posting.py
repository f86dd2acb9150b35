"""What all that is posted over HTTP shares: a mail's parts, the key that comes back, and what answers mean.

A mail's key goes out as metadata and comes back in every event about it; so an event proves that the mail was taken,
also where the answer to the request was lost.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Accepted
from integrations.exceptions import DeliveryError, Rejected, Unavailable, Unknown
from integrations.mime import build, parse_address
from integrations.reading import at_path
from integrations.transport import retry_after

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from integrations.contracts import Mail, Trace
    from integrations.transport import Answer

KEY: Final = "dripline_key"
"""Under this name a provider hands back a mail's key."""
NAME: Final = "dripline_id"
"""And under this, what stands before the @ in its Message-ID: instead of a key that is too long."""
LONGEST_TEXT: Final = 500
"""Characters of a provider's own words that are kept."""

TROUBLE_WAIT: Final = timedelta(minutes=10)
"""How long to leave a provider alone that refuses us and not the mail: a person has to put something right first."""
BUSY_WAIT: Final = timedelta(seconds=10)
"""How long to leave one alone that has had too many requests, and does not say how long."""
ABOUT_US: Final = frozenset({401, 402, 403, 404, 405, 410})
"""The token, the bill, the address of the API: the next mail would fare no better, and no mail is given up for it."""
ABOUT_NOW: Final = frozenset({408, 409, 423, 425})
"""The request did not come whole, or collided with another one."""
LATER: Final = frozenset({408, 425, 429})
"""Refusals of a webhook that are about the moment; with every 5xx."""
SAYING: Final = 200
"""Characters of a webhook's receiver's own words that are kept."""


def utc_now() -> datetime:
    """The time, for adapters that are given no clock."""
    return datetime.now(UTC)


# ── a mail's parts ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Person:
    """A name, which may be empty, and an address, its domain in ASCII."""

    name: str
    address: str

    def __str__(self) -> str:
        """As in a header, the name quoted and in UTF-8: `"Nora" <nora@northwind.example>`."""
        return '"' + re.sub(r'(["\\])', r"\\\1", self.name) + f'" <{self.address}>' if self.name else self.address


@dataclass(frozen=True, slots=True)
class File:
    """An attachment, its content in base64."""

    name: str
    type: str
    content: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A mail for an API that writes the message itself; nothing in it can break out of a header.

    Attributes:
        reply_to: None if answers go to the sender.
        headers: those of the mail, and our Message-ID.
    """

    sender: Person
    to: str
    reply_to: Person | None
    headers: Mapping[str, str]
    files: tuple[File, ...]


def parts(mail: Mail, now: datetime) -> Parts:
    """The parts of a mail that could also be sent as a message.

    Raises:
        Rejected: `bad-address`, `bad-header` or `bad-attachment`, by the rules of `mime.build`.
    """
    letter = build(mail, now)
    return Parts(
        Person(*parse_address(mail.sender)),
        letter.to,
        Person(*parse_address(mail.reply_to)) if mail.reply_to else None,
        {**mail.headers, "Message-ID": f"<{mail.message_id}>"},
        tuple(File(each.name, each.type, base64.b64encode(each.content).decode()) for each in mail.attachments),
    )


# ── the key, there and back ──────────────────────────────────────────────────────────────────────────────────


def metadata(mail: Mail, longest: int, *, armour: bool = False) -> dict[str, str]:
    """What a provider is to hand back, at most `longest` characters; in `armour` if it takes few kinds of them."""
    key = armoured(mail.key) if armour else mail.key
    return {KEY: key} if len(key) <= longest else {NAME: mail.message_id.partition("@")[0]}


def armoured(text: str) -> str:
    """A text in letters, digits, `-` and `_`, which is all that some providers take."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def disarmoured(text: str) -> str:
    """What `armoured` was given; the text itself if it is not from there."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return text


def told(metadata: object, *, armour: bool = False) -> dict[str, Any]:
    """The properties of an event that say which mail it is about, from the metadata that came back."""
    if not isinstance(metadata, dict):
        return {}
    key, name = metadata.get(KEY), metadata.get(NAME)
    found = {"message_key": disarmoured(key) if armour else key} if isinstance(key, str) else {}
    return found | ({"message_id": name} if isinstance(name, str) else {})


def among(
    listed: Sequence[Any], trace: Trace, vendor: str, *, about: tuple[str, ...], ref: tuple[str, ...], most: int
) -> Accepted | None:
    """The mail of a trace among what a vendor lists, by the metadata that came back; None if it is not among it.

    Args:
        listed: JSON objects: events, or mails.
        trace: what is known of the mail.
        vendor: its name, for messages.
        about: where in an object our metadata stand.
        ref: where the vendor's own id does.
        most: how many the vendor lists at most; of so many, the mail may be among those that are left out.

    Raises:
        Unavailable: it may be among those that are left out.
    """
    for each in listed:
        said = told(at_path(each, about))
        if said.get("message_key") == trace.key or said.get("message_id") == trace.name:
            return Accepted(word(at_path(each, ref)) or trace.name)
    if len(listed) >= most:
        raise Unavailable(f"{vendor} has more about this recipient than one question returns")
    return None


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────


def refusal(
    vendor: str,
    answer: Answer,
    code: str,
    text: str,
    *,
    about_us: Collection[str] = (),
    not_taken: Collection[int] = (),
    wait: timedelta | None = None,
) -> DeliveryError:
    """What an answer means that is no consent.

    Only what the vendor says of the mail or its recipient is `Rejected`. A 5xx is `Unknown`: a server that breaks may
    have done so after it put the mail into its queue.

    Args:
        vendor: its name, for messages.
        answer: what came.
        code: the vendor's own word in it, empty if there is none.
        text: the vendor's own sentence.
        about_us: codes that are about the account or its settings, so that the next mail would fare no better.
        not_taken: statuses from 500 on of which the vendor says that nothing was done.
        wait: how long the vendor asks us to wait, if it says so otherwise than by `Retry-After`.
    """
    said = f"{vendor} answered {answer.status}{f' {code}' if code else ''}: {text or 'no reason given'}"[:LONGEST_TEXT]
    asked = retry_after(answer) or wait
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable(said, asked or BUSY_WAIT)
    if answer.status in not_taken or answer.status in ABOUT_NOW:
        return Unavailable(said, asked)
    if answer.status < HTTPStatus.OK or answer.broken:  # not an answer, or trouble of the vendor's own
        return Unknown(said)
    if answer.good:  # a consent, but not in the vendor's words: a proxy, another service
        return Unknown(f"{said}; this is no answer of {vendor}'s")
    if answer.moved or answer.status in ABOUT_US or code in about_us:  # redirects lead elsewhere
        return Unavailable(
            f"{said} (this is about the account or its settings, not about the mail)", asked or TROUBLE_WAIT
        )
    return Rejected(code or str(answer.status), text[:LONGEST_TEXT])


def webhook_refusal(answer: Answer, host: str, now: datetime, *, repeatable: bool) -> DeliveryError:
    """What a receiver of Standard Webhooks means by an answer that is no 2xx.

    Args:
        answer: what came.
        host: its name, for messages.
        now: when.
        repeatable: whether it drops what it has seen; then a 5xx may simply be repeated, as the standard asks.
    """
    said = answer.body[:SAYING].decode(errors="replace")
    if answer.broken and not repeatable:
        return Unknown(f"{host} answered {answer.status}: {said}")
    if answer.status in LATER or answer.broken:
        return Unavailable(f"{host} answered {answer.status}: {said}", retry_after(answer, now))
    if answer.moved:
        said = f"redirects are not followed; set URL to {answer.headers.get('location', 'the new address')}"
    return Rejected(str(answer.status), said)


def document(answer: Answer) -> dict[str, Any]:
    """The JSON object in an answer; empty if there is none."""
    found = answer.json()
    return found if isinstance(found, dict) else {}


def word(value: object) -> str:
    """A text or a number of a vendor's, short; empty for anything else."""
    return str(value)[:LONGEST_TEXT] if isinstance(value, str | int) and not isinstance(value, bool) else ""

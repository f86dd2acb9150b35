"""From an outbox row and a lead's fields to the finished e-mail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Mail
from integrations.exceptions import Rejected
from integrations.mime import parse_address
from workers.clock import system_clock
from workers.delivery.templates import Fields, Templates, one_line
from workers.delivery.tracking import Tracker
from workers.exceptions import RenderError
from workers.store.outbox import message_name
from workers.tokens import Unsubscribe, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.clock import Clock
    from workers.engine.rules import Rulebook

ADDRESS: Final = re.compile(r"[^\s@<>(),;:\"\\\[\]\x00-\x1f\x7f]+@[^\s@<>(),;:\"\\\[\]\x00-\x1f\x7f]+")
"""What may stand as a recipient. Whether it exists is for the provider to say; that it is one address is for us."""
MARKETING: Final = "marketing"


@dataclass(frozen=True, slots=True)
class Links:
    """What is needed to make links that lead back to us."""

    public_url: str
    secret: str
    clock: Clock = system_clock

    def unsubscribe(self, lead_id: int, key: str) -> str:
        """The link that ends marketing mail to this lead; `key` says which mail it stood in."""
        return f"{self.public_url.rstrip('/')}/unsubscribe/{sign(self.secret, Unsubscribe(lead_id, key))}"


class Composer:
    """Makes mails with the templates and the account of one rulebook version; threads may share it."""

    def __init__(self, rulebook: Rulebook, links: Links) -> None:
        self._account = rulebook.account
        self._templates = Templates(rulebook.templates)
        self._links = links
        self._tracker = Tracker(rulebook.tracking, links.public_url, links.secret)

    def has(self, template: str) -> bool:
        """True if this version has that template."""
        return template in self._templates

    def compose(self, key: str, lead_id: int, template: str, lead: Mapping[str, Any]) -> Mail:
        """The mail for this effect.

        Args:
            key: the effect's key; the Message-ID is made of it, so that it is the same on every try.
            lead_id: for the unsubscribe link.
            template: its folder below `templates/`.
            lead: the lead's fields, `email` among them.

        Raises:
            RenderError: it cannot be made for this lead, and why.
        """
        unsubscribe = self._links.unsubscribe(lead_id, key)
        values = {
            "lead": Fields("lead", lead),
            "account": Fields("account", self._account.words),
            "unsubscribe_url": unsubscribe,
        }
        words = self._templates.render(template, values)
        sender = words.sender or one_line(self._account.sender)
        html = self._tracked(words.html, key, lead_id, template, lead) if words.html else words.html
        return Mail(
            key=key,
            sender=sender,
            to=recipient(lead),
            subject=words.subject,
            text=words.text,
            html=html,
            message_id=message_id(key, sender),
            headers=unsubscribe_headers(unsubscribe) if words.category == MARKETING else {},
        )

    def _tracked(self, html: str, key: str, lead_id: int, template: str, lead: Mapping[str, Any]) -> str:
        """The HTML with the links that the rules want."""
        html = self._tracker.named(html, key, template)
        if not self._tracker.wanted(template, lead):
            return html
        return self._tracker.html(html, lead_id, key, int(self._links.clock().timestamp()))

    def notice(self, key: str, to: str, subject: str, text: str) -> Mail:
        """A plain message to a colleague, from the account's own sender.

        Args:
            key: the effect's.
            to: one address.
            subject: put on one line.
            text: the whole of it.
        """
        sender = one_line(self._account.sender)
        return Mail(key, sender, to, one_line(subject), text, message_id(key, sender))

    def note(self, template: str, facts: Mapping[str, Any]) -> str:
        """The hand-off note that goes with a promotion.

        Args:
            template: its folder below `templates/`.
            facts: what was true when the lead was promoted: `lead` (fields), `scores` (score and band by name),
                `evidence` (by name) and `recent` events, as the engine wrote them down.

        Raises:
            RenderError: it cannot be made of these facts, and why.
        """
        lead, account = Fields("lead", facts.get("lead") or {}), Fields("account", self._account.words)
        return self._templates.note(template, {**facts, "lead": lead, "account": account})


def is_address(text: object) -> bool:
    """True if the text is one address and nothing else."""
    return isinstance(text, str) and ADDRESS.fullmatch(text) is not None


def recipient(lead: Mapping[str, Any]) -> str:
    """The lead's one address.

    Raises:
        RenderError: there is none, or what stands there is none.
    """
    address = lead.get("email")
    if not is_address(address):
        raise RenderError(f"the lead's e-mail {str(address)[:80]!r} is not an address")
    return str(address)


def message_id(key: str, sender: str) -> str:
    """Our Message-ID for an effect, without angle brackets: the same on every try, and it names nobody.

    Raises:
        RenderError: the sender is none.
    """
    try:
        _, address = parse_address(sender)
    except Rejected as error:
        raise RenderError(f"the sender {sender[:80]!r} cannot stand in a mail: {error}") from error
    return f"{message_name(key)}@{address.rpartition('@')[2]}"


def unsubscribe_headers(url: str) -> dict[str, str]:
    """One-click unsubscribing as RFC 8058 wants it; Gmail and Yahoo show a button for it."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}

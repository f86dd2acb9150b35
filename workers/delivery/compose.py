"""From an outbox row and a lead's fields to the finished e-mail."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Attachment, Mail
from integrations.exceptions import Rejected
from integrations.mime import parse_address
from workers.clock import system_clock
from workers.delivery.templates import Templates, one_line
from workers.delivery.tracking import Tracker
from workers.engine.categories import GENERAL, NO_CONSENT, may_mail, rules_out
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.exceptions import RenderError
from workers.rulebook.mail import MAIL, read_head
from workers.rulebook.problems import Problems
from workers.rulebook.sandbox import Fields, answers
from workers.store.outbox import message_name
from workers.tokens import Confirm, Preferences, Unsubscribe, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.clock import Clock
    from workers.delivery.templates import Rendered
    from workers.engine.rules import Rulebook
    from workers.rulebook.mail.compiled import CompiledMail
    from workers.rulebook.sandbox import Stands
    from workers.tokens import Link

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
        return self._page("unsubscribe", Unsubscribe(lead_id, key))

    def preferences(self, lead_id: int, key: str) -> str:
        """The link to this lead's preference centre."""
        return self._page("preferences", Preferences(lead_id, key))

    def confirm(self, lead_id: int, category: str, key: str) -> str:
        """The link by which this lead confirms that it wants a category of mail."""
        return self._page("confirm", Confirm(lead_id, category, key))

    def _page(self, page: str, link: Link) -> str:
        return f"{self.public_url.rstrip('/')}/{page}/{sign(self.secret, link)}"


class Composer:
    """Makes mails with the templates and the account of one rulebook version; threads may share it."""

    def __init__(self, rulebook: Rulebook, links: Links) -> None:
        self._rulebook = rulebook
        self._account = rulebook.account
        self._said = Fields("account", rulebook.account.words)
        self._templates = Templates(rulebook.templates, rulebook.account.site)
        self._files = rulebook.templates
        self._policy = rulebook.consent
        self._kinds: dict[str, tuple[str, str]] = {}
        self._links = links
        self._tracker = Tracker(rulebook.tracking, links.public_url, links.secret)

    def has(self, template: str) -> bool:
        """True if this version has that template."""
        return template in self._templates

    def template(self, name: str) -> CompiledMail:
        """The mail of that name, compiled.

        Raises:
            RenderError: there is none, or it is broken.
        """
        return self._templates.mail(name)

    def asks(self, template: str) -> bool:
        """True if that mail may ask where the lead stands; one that cannot be used asks nothing."""
        try:
            return self._templates.mail(template).asks
        except RenderError:
            return False

    def standing(self, state: Mapping[str, Any]) -> Standing:
        """Where a lead stands now, by this version's rules.

        Args:
            state: `LeadState.dump()`.

        Raises:
            NewerState: a newer version of this program wrote it.
        """
        return Standing(LeadState.load(state), self._rulebook, self._links.clock())

    def barred(self, template: str, suppressed: str, consents: Mapping[str, Any]) -> str:
        """Why this mail may not go to somebody; empty if it may.

        Args:
            template: its folder below `templates/`.
            suppressed: why the address is on the suppression list; empty if it is not.
            consents: where the person stands (`LeadState.consents`).
        """
        if template not in self._kinds:
            head = read_head(MAIL, self._files.get(f"templates/{template}{MAIL}", ""), Problems())
            self._kinds[template] = (head.category, str(head.topic or GENERAL)) if head else (MARKETING, GENERAL)
        category, topic = self._kinds[template]
        if rules_out(suppressed, category):
            return suppressed
        return "" if category != MARKETING or may_mail(consents, self._policy, topic) else NO_CONSENT

    def compose(
        self,
        key: str,
        lead_id: int,
        template: str,
        lead: Mapping[str, Any],
        confirms: str = "",
        *,
        stands: Stands | None = None,
    ) -> Mail:
        """The mail for this effect.

        Args:
            key: the effect's key; the Message-ID is made of it, so that it is the same on every try.
            lead_id: for the unsubscribe link.
            template: its folder below `templates/`.
            lead: the lead's fields, `email` among them.
            confirms: the category that the mail asks to confirm, if it does.
            stands: where the lead stands; None if no more than its fields is known.

        Raises:
            RenderError: it cannot be made for this lead, and why.
        """
        to = recipient(lead)
        return self.finish(key, lead_id, self.words(key, lead_id, template, lead, confirms, stands=stands), to)

    def words(
        self,
        key: str,
        lead_id: int,
        template: str,
        lead: Mapping[str, Any],
        confirms: str = "",
        *,
        stands: Stands | None = None,
    ) -> Rendered:
        """What the mail says; see `compose`."""
        values = {
            "lead": Fields("lead", lead),
            "account": self._said,
            "unsubscribe_url": self._links.unsubscribe(lead_id, key),
            "preferences_url": self._links.preferences(lead_id, key),
        }
        if confirms:
            values["confirm_url"] = self._links.confirm(lead_id, confirms, key)
        if self.asks(template):
            values |= answers(stands or self.standing(LeadState(fields=dict(lead)).dump()))
        words = self._templates.render(template, values)
        if words.html is None:
            return words
        return replace(words, html=self._tracked(words.html, key, lead_id, template, lead))

    def finish(self, key: str, lead_id: int, words: Rendered, to: str) -> Mail:
        """The mail that says this, to one address."""
        sender = words.sender or one_line(self._account.sender)
        marketing = words.category == MARKETING
        return Mail(
            key=key,
            sender=sender,
            to=to,
            subject=words.subject,
            text=words.text,
            html=words.html,
            message_id=message_id(key, sender),
            headers=unsubscribe_headers(self._links.unsubscribe(lead_id, key)) if marketing else {},
            reply_to=words.reply_to,
            attachments=tuple(Attachment(file.name, file.type, file.content) for file in words.files),
        )

    def _tracked(self, html: str, key: str, lead_id: int, template: str, lead: Mapping[str, Any]) -> str:
        """The HTML with the links that the rules want."""
        made = int(self._links.clock().timestamp()) if self._tracker.wanted(template, lead) else None
        return self._tracker.rewritten(html, lead_id, key, template, made)

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
                `segments`, `grades` (by name), its `stage`, `evidence` (by name) and `recent` events, as the engine
                wrote them down.

        Raises:
            RenderError: it cannot be made of these facts, and why.
        """
        lead = Fields("lead", facts.get("lead") or {})
        said = {"segments": [], **facts, "lead": lead, "account": self._said}
        return self._templates.note(template, {**said, **answers(Stood(facts))})


class Stood:
    """Where a lead stood when it was promoted, as the facts of its hand-off say. What they do not name, it had not."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._scores = facts.get("scores") or {}
        self._grades = facts.get("grades") or {}
        self._segments = facts.get("segments") or ()
        self.stage = str(facts.get("stage") or "")

    def score(self, model: str) -> float:
        """See `Stands`."""
        return float(self._scores.get(model, {}).get("score") or 0)

    def band(self, model: str) -> str | None:
        """See `Stands`."""
        band: str | None = self._scores.get(model, {}).get("band")
        return band

    def grade(self, name: str) -> str | None:
        """See `Stands`."""
        grade: str | None = self._grades.get(name)
        return grade

    def segment(self, name: str) -> bool:
        """See `Stands`."""
        return name in self._segments


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

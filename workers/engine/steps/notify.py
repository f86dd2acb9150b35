"""`notify`: tell a colleague about the lead, by e-mail or in a chat.

    - notify: {to: ana@acme.example, subject: "{{ lead.company }} is back", text: "They looked at our prices again."}
    - notify: {hook: slack, text: "{{ lead.company }} has looked at our prices again."}

Without `to`, the campaign's `owner` is told, or else whom promotion falls back on; `lead.` and a field of type email
names whoever stands there. Text in double braces is an expression on the lead. Who the lead is stands below an e-mail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.notices import NOBODY, card, owner_of
from workers.engine.campaigns.runs import effect_key
from workers.engine.steps import Objection, Verdict, Words, said
from workers.engine.values import Hook, Notify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.steps import Known, Visit

OWNER: Final = "owner"
LEAD: Final = "lead."


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `notify` with `text`, and `to` and `subject`, or `hook`."""

    text: Words = field(metadata=said("what to say"))
    id: str
    to: str = field(
        default="",
        metadata=said("whom: `owner`, an address, or a field like `lead.account_manager`", names="recipient"),
    )
    subject: Words | None = field(default=None, metadata=said("the subject; default: the campaign and the lead"))
    hook: str = field(
        default="", metadata=said("the hook that takes it, like `slack`, instead of an e-mail", names="hook")
    )

    def objections(self, known: Known) -> Iterator[Objection]:  # noqa: ARG002  every step has this shape
        """See `steps`."""
        if self.hook and (self.to or self.subject):
            wrong = "to" if self.to else "subject"
            text = f"`hook` and `{wrong}` together"
            yield Objection("too-many-keys", text, "a hook has one receiver: remove one", ("notify", wrong))

    @property
    def wants_owner(self) -> bool:
        """True if it goes to the campaign's owner."""
        return not self.hook and self.to in {"", OWNER}

    def run(self, visit: Visit) -> Verdict:
        """A message, or the reason for none."""
        key = effect_key("notice", visit.lead_id, visit.campaign.name, visit.run, self.id)
        text = self.text.filled(visit)
        if self.hook:
            return Verdict("notified", {"hook": self.hook}, Hook(key, self.hook, {"text": text}))
        to = self._recipient(visit)
        if not to:
            return Verdict("skipped", {"reason": NOBODY, "to": self.to or OWNER})
        subject = self.subject.filled(visit) if self.subject else f"{visit.campaign.name}: {name_of(visit)}"
        return Verdict(
            "notified", {"to": to}, Notify(key, to, subject, f"{text}\n\n{card(visit.state, visit.campaign.name)}")
        )

    def _recipient(self, visit: Visit) -> str:
        """An address; empty if there is none."""
        if self.wants_owner:
            return owner_of(visit.rulebook, visit.campaign)
        if self.to.startswith(LEAD):
            return str(visit.state.fields.get(self.to.removeprefix(LEAD)) or "")
        return self.to


def name_of(visit: Visit) -> str:
    """The lead in a word or two."""
    fields: dict[str, Any] = visit.state.fields
    return str(fields.get("company") or fields.get("email") or f"lead {visit.lead_id}")

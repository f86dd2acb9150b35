"""What stands between a due mail and its sending: quiet hours, days off, and caps over all campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.categories import GENERAL, NO_CONSENT, UNSUBSCRIBED, may_mail, rules_out
from workers.engine.counters import DAY
from workers.engine.values import instant

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.call import Call
    from workers.engine.rules import Campaign, Cap, Rulebook

QUIET: Final = "quiet-hours"
CAP: Final = "cap"
REPLY: Final = "replied"
REMEMBERED: Final = 10
"""Mails that are remembered whether a cap asks for them or not: one that comes later, or is narrowed, holds at once."""
MONTH: Final = 30 * DAY
"""How long at the least, in microseconds."""


def capped(call: Call, category: str) -> tuple[datetime | None, Cap] | None:
    """The cap that holds a mail of a category back now, and when it may go; no time for one that is to be skipped."""
    for cap in call.rulebook.caps:
        if cap.category in ("", category) and (free := frees_up(call, cap)) > call.moment:
            return (instant(free) if cap.delay else None), cap
    return None


def frees_up(call: Call, cap: Cap) -> int:
    """From when on one more mail is allowed by the cap, in microseconds; 0 for at once."""
    contacts = call.state.contacts
    kinds = [cap.category] if cap.category else list(contacts)
    latest = sorted(at for kind in kinds for at in contacts.get(kind, ()))[-cap.most :]
    return latest[0] + cap.window if len(latest) == cap.most else 0


def note_contact(call: Call, category: str) -> None:
    """Remember a mail, as long as any cap has to know of it, or one that rules may bring later."""
    caps = [cap for cap in call.rulebook.caps if cap.category in ("", category)]
    most = max([REMEMBERED, *[cap.most for cap in caps]])
    since = call.moment - max([MONTH, *[cap.window for cap in caps]])
    known = [at for at in call.state.contacts.get(category, ()) if at > since]
    call.state.contacts[category] = [*known, call.moment][-most:]


def category_of(rulebook: Rulebook, template: str) -> str:
    """What kind of mail a template is; marketing, unless it says otherwise."""
    return rulebook.categories.get(template, "marketing")


def topic_of(rulebook: Rulebook, template: str) -> str:
    """Which category of marketing mail a template is of."""
    return rulebook.topics.get(template, GENERAL)


def unwanted(call: Call, template: str) -> str:
    """Why this mail may not go to this lead; empty if it may."""
    state, category = call.state, category_of(call.rulebook, template)
    if rules_out(state.suppressed, category):
        return state.suppressed
    if not state.fields.get("email"):
        return "no-email"
    topic = topic_of(call.rulebook, template)
    if category == GENERAL and not may_mail(state.consents, call.rulebook.consent, topic):
        return NO_CONSENT
    return ""


def closed(call: Call, campaign: Campaign | None) -> bool:
    """True if a lead that may not be mailed has nothing to look for in a campaign.

    Unsubscribing is about marketing: a campaign that also sends transactional mail, or none, goes on without it.
    """
    if call.state.suppressed != UNSUBSCRIBED or campaign is None:
        return bool(call.state.suppressed)
    kinds = {category_of(call.rulebook, each.send) for each in campaign.by_id.values() if hasattr(each, "send")}
    return kinds == {GENERAL}

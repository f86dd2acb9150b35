"""Consent as events: given, confirmed, withdrawn. Who said what last is decided by the events' own times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.categories import (
    EVERYTHING,
    GIVEN,
    PENDING,
    RESTORED,
    UNSUBSCRIBED,
    WITHDRAWN,
    later,
    rules_out,
    standing,
)
from workers.engine.event_types import CONFIRM, LIFT, RESUBSCRIBE, WITHDRAW
from workers.engine.values import Consent, Send

if TYPE_CHECKING:
    from workers.engine.call import Call
    from workers.engine.categories import Category
    from workers.engine.values import Event

CONFIRMATION: Final = "consent.confirm"
"""What stands for the campaign in the keys of confirmation mails; no campaign can have this name."""
TRANSACTIONAL: Final = "transactional"
LONGEST: Final = 2000
"""Characters of a text that was shown, or of the place where, that are kept."""


def take_consent(call: Call, event: Event, at: int) -> None:
    """Let one event change what the person wants to get."""
    if event.type == LIFT:
        lift_by_hand(call, event)
        return
    if event.type == RESUBSCRIBE:
        resubscribe(call, event, at)
        return
    name = str(event.properties.get("category", ""))
    category = call.rulebook.consent.categories.get(name)
    if category is None and not (event.type == WITHDRAW and name):
        detail = {"reason": "unknown-category", "category": name}
        call.say("skipped", f"event.{event.type}", detail, event=event.id)
    elif category is None or event.type == WITHDRAW:
        withdraw(call, name, category, event, at)
    elif event.type == CONFIRM:
        confirm(call, category, event, at)
    else:
        give(call, category, event, at, shown(event))


def shown(event: Event) -> str:
    """The text that the person read, if the event tells it."""
    return str(event.properties.get("text") or "")


def take_sign(call: Call, event: Event, at: int) -> None:
    """Give the consents that the rules see in this event."""
    for category, sign in call.rulebook.signs[event.type]:
        if sign.when is None or sign.when.value(event.properties, call.state.fields, call.standing) is True:
            give(call, category, event, at, sign.text)


def give(call: Call, category: Category, event: Event, at: int, text: str) -> None:
    """Somebody wants this category; where it takes a confirmation, they are asked for it."""
    confirmed = standing(call.state.consents, category.name) == GIVEN
    status = PENDING if category.double_opt_in and not confirmed else GIVEN
    newest = note(call, category.name, status, event, at)
    record(call, category.name, category, event, action="given", text=text)
    if newest and status == PENDING:
        ask(call, category, event)


def confirm(call: Call, category: Category, event: Event, at: int) -> None:
    """The link of the confirmation mail. It counts only while somebody waits for it: an old one gives nothing back."""
    if standing(call.state.consents, category.name) == PENDING and note(call, category.name, GIVEN, event, at):
        record(call, category.name, category, event, action="confirmed", text=shown(event))
    else:
        detail = {"reason": "not-asked", "category": category.name}
        call.say("skipped", f"event.{event.type}", detail, event=event.id)


def withdraw(call: Call, name: str, category: Category | None, event: Event, at: int) -> None:
    """Somebody does not want this category, or none at all."""
    note(call, name, WITHDRAWN, event, at)
    record(call, name, category, event, action="withdrawn", text=shown(event))


def unsubscribe(call: Call, event: Event, at: int) -> bool:
    """Withdraw everything; False if consent was given since, or it was taken back, so that it is history."""
    withdraw(call, EVERYTHING, None, event, at)
    return not any(
        said[0] in {GIVEN, RESTORED} and later(said, ["", at, event.id]) for said in call.state.consents.values()
    )


def resubscribe(call: Call, event: Event, at: int) -> None:
    """Somebody took their unsubscribing back where the provider asks them. Bounces and complaints are not undone."""
    if note(call, EVERYTHING, RESTORED, event, at):
        record(call, EVERYTHING, None, event, action="restored", text=shown(event))
        if call.state.suppressed == UNSUBSCRIBED:
            lift(call, event)


def note(call: Call, name: str, status: str, event: Event, at: int) -> bool:
    """Keep what was said, unless something later is known; True if it is the latest."""
    entry = [status, at, event.id]
    before = call.state.consents.get(name)
    if before and not later(entry, before):
        return False
    call.state.consents[name] = entry
    everything = call.state.consents.get(EVERYTHING)
    if status == GIVEN and call.state.suppressed == UNSUBSCRIBED and (everything is None or later(entry, everything)):
        call.state.consents.setdefault(EVERYTHING, [WITHDRAWN, 0, 0])
        lift(call, event)
    return True


def lift(call: Call, event: Event) -> None:
    """Marketing mail may go again: which, is said by category from here on."""
    reason, call.state.suppressed = call.state.suppressed, ""
    call.say("lifted", "email", {"reason": reason}, event=event.id)


def lift_by_hand(call: Call, event: Event) -> None:
    """Somebody of the company took the address from the suppression list."""
    if event.properties.get("reason") == call.state.suppressed:
        call.state.consents.pop(EVERYTHING, None)
        call.state.bounces = []
        lift(call, event)


def record(call: Call, name: str, category: Category | None, event: Event, *, action: str, text: str) -> None:
    """One line of the consent history: what, when, where, and the text that was shown."""
    now_is = GIVEN if action == "restored" else standing(call.state.consents, name)
    where = next((str(event.properties[key]) for key in ("place", "form", "url") if event.properties.get(key)), "")
    line = Consent(
        category=name,
        action=action,
        standing=now_is,
        at=event.at,
        text=text[:LONGEST],
        place=where[:LONGEST] or event.type,
        basis=category.basis if category else "",
    )
    detail = {"category": name, "action": action, "standing": now_is}
    call.say("consented", f"consent.{name}", detail, event=event.id, effect=line)


def ask(call: Call, category: Category, event: Event) -> None:
    """Send the confirmation mail, unless it was sent often enough."""
    policy, name, rule = call.rulebook.consent, category.name, f"consent.{category.name}"
    asked = call.state.asked.get(name, [0])
    recent = [at for at in asked[1:] if at > call.moment - policy.within]
    reason = ""
    if rules_out(call.state.suppressed, TRANSACTIONAL):
        reason = call.state.suppressed
    elif not call.state.fields.get("email"):
        reason = "no-email"
    elif len(recent) >= policy.at_most:
        reason = "asked-often-enough"
    if call.quiet:
        return
    if reason:
        call.say("skipped", rule, {"reason": reason, "template": policy.template}, event=event.id)
        return
    number = asked[0] + 1
    call.state.asked[name] = [number, *recent, call.moment]
    key = f"mail:{call.lead_id}:{CONFIRMATION}:{number}:{name}"
    mail = Send(key, CONFIRMATION, name, policy.template, confirms=name)
    call.say("sent", rule, {"template": policy.template}, event=event.id, effect=mail)

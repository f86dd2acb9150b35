"""What happened in a run of the demo, as data: read from the store, the mail server and the CRM."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from workers.demo.behaviour import SITE
from workers.demo.expect import GoneOut, lead_differences, mail_name
from workers.demo.hooks import hook_name
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.reports import words
from workers.reports.story import Line as Decided
from workers.store import decisions, events, leads, opportunities, status
from workers.tokens import Unsubscribe
from workers.tokens import read as read_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Engine

    from workers.demo.expect import Known
    from workers.demo.hooks import HookReceiver
    from workers.demo.hubspot import HubSpotStub
    from workers.demo.smtp import Received
    from workers.engine.rules import Rulebook
    from workers.store.decisions import LoggedDecision
    from workers.store.events import LoggedEvent
    from workers.store.leads import Lead

STEPS: Final = 10
"""Bars of a score's picture, each a tenth of its range."""
LONGEST_STORY: Final = 30
ABOUT_EVENTS: Final = frozenset({"scored", "skipped"})
TOLD: Final = ABOUT_EVENTS | {
    "banded", "staged", "enrolled", "not_enrolled", "sent", "exited", "finished", "promoted", "not_promoted",
    "suppressed", "consented",
}  # fmt: skip
"""Kinds of decisions that the story is made of."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a lead's story. `kind` is the event's type or the decision's kind."""

    at: datetime
    kind: str
    text: str


@dataclass(slots=True)
class Summary:
    """A finished run.

    Attributes:
        post: what the answers to the deliveries added up to.
        stages: leads by stage, in the order of the lifecycle.
        scores: per model, how many leads are in each tenth of the range.
        mails: mails that arrived, by campaign and step.
        outbox: effects by channel and state.
        deals: opportunities as the CRM has them.
        missing: how often each thing stood between a candidate and a promotion.
        story: of one lead.
        differences: between what went out and what the rules say; empty if all is right.
    """

    duration_s: float = 0.0
    days: int = 0
    version: str = ""
    post: dict[str, int] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    scores: dict[str, list[int]] = field(default_factory=dict)
    mails: dict[str, dict[str, int]] = field(default_factory=dict)
    outbox: dict[str, int] = field(default_factory=dict)
    quarantine: dict[str, int] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)
    deals: list[dict[str, str]] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    lead: str = ""
    story: list[Line] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data, the plainest figures first."""
        return {
            "events_accepted": self.post.get("accepted", 0),
            "leads": sum(self.stages.values()),
            "mails_sent": sum(number for steps in self.mails.values() for number in steps.values()),
            "opportunities_created": len(self.deals),
            "duration_s": round(self.duration_s, 2),
            "as_the_rules_say": not self.differences,
            "differences": self.differences,
            "days": self.days,
            "rulebook": self.version,
            "deliveries": self.post,
            "leads_by_stage": self.stages,
            "scores": self.scores,
            "mails": self.mails,
            "outbox": self.outbox,
            "quarantine": self.quarantine,
            "suppressed": self.suppressed,
            "opportunities": self.deals,
            "missing_for_promotion": self.missing,
            "story": {
                "lead": self.lead,
                "lines": [{"at": line.at.isoformat(), "kind": line.kind, "text": line.text} for line in self.story],
            },
        }


def arrived(
    mails: Iterable[Received], crm: HubSpotStub, hooks: HookReceiver, secret: str, keys: Mapping[str, str]
) -> GoneOut:
    """What the mail server, the CRM and the receiver of webhooks really have, named so that it can be compared.

    Which effect a mail is, its own unsubscribe link says, and where it has none its Message-ID; `keys` are those of the
    effects by Message-ID.
    """
    gone_out = GoneOut()
    for mail in mails:
        if link := mail.message["List-Unsubscribe"]:
            key = read_token(secret, str(link).strip("<>").rpartition("/")[2], Unsubscribe).key
        else:
            key = keys.get(str(mail.message["Message-ID"]).strip("<>"), "")
        if key:
            gone_out.mails[mail_name(mail.to, key)] += 1
        else:  # a message to a colleague
            gone_out.notices[mail.to, str(mail.message["Subject"])] += 1
    for email, deal in crm.deals_by_contact():
        gone_out.deals[email, deal["dealname"], deal["amount"]] += 1
    gone_out.hooks.update(hook_name(hook, payload) for hook, payload in hooks.received)
    return gone_out


def read_store(
    summary: Summary, engine: Engine, rulebook: Rulebook, people: Mapping[str, Known], now: datetime
) -> None:
    """Fill in what the store knows, and compare its leads with those that the rules alone make."""
    with engine.connect() as conn:
        found = [lead for email in people if (lead := leads.find(conn, f"email:{email}"))]
        stored = {lead.email: LeadState.load(lead.state) for lead in found}
        summary.differences += lead_differences(people, stored)
        now_is = status.read(conn, now)
        summary.version = now_is.version
        summary.stages = {each.name: now_is.leads.get(each.name, 0) for each in rulebook.stages}
        summary.quarantine = dict(now_is.quarantine)
        summary.suppressed = dict(now_is.suppressions)
        summary.outbox = {" ".join(filter(None, key)): number for key, number in now_is.outbox.items()}
        summary.scores = {model: spread(rulebook, model, stored.values(), now) for model in rulebook.models}
        summary.missing = dict(Counter(name for state in stored.values() for name in state.missing or ()).most_common())
        tell_story(summary, conn, found)


def spread(rulebook: Rulebook, model: str, states: Iterable[LeadState], now: datetime) -> list[int]:
    """How many leads are in each tenth of a score's range."""
    spec = rulebook.models[model]
    width = (spec.maximum - spec.minimum) / STEPS
    counts = [0] * STEPS
    for state in states:
        place = int((Standing(state, rulebook, now).score(model) - spec.minimum) / width)
        counts[min(place, STEPS - 1)] += 1
    return counts


def deals_of(crm: HubSpotStub) -> list[dict[str, str]]:
    """The opportunities as the CRM has them."""
    owners = {number: email for email, number in crm.store.owners.items()}
    return [
        {
            "email": email,
            "name": deal["dealname"],
            "amount": deal["amount"],
            "currency": deal["deal_currency_code"],
            "stage": deal["dealstage"],
            "closes": deal["closedate"][:10],
            "owner": owners[deal["hubspot_owner_id"]],
            "note": deal["description"],
        }
        for email, deal in crm.deals_by_contact()
    ]


def count_mails(gone_out: GoneOut, rulebook: Rulebook) -> dict[str, dict[str, int]]:
    """Mails by campaign and template, in the order of the steps."""
    totals: Counter[tuple[str, str]] = Counter()
    for (_, campaign, _, step), number in gone_out.mails.items():
        totals[campaign, step] += number
    return {
        name: {
            str(getattr(step, "send", step.id)): number for step in campaign.steps if (number := totals[name, step.id])
        }
        for name, campaign in rulebook.campaigns.items()
    }


# ── the story of one lead ────────────────────────────────────────────────────────────────────────────────────


def tell_story(summary: Summary, conn: Connection, found: Sequence[Lead]) -> None:
    """Choose a lead that became an opportunity and has a story to tell, and tell it."""
    by_id = {lead.id: lead for lead in found}
    promoted = sorted({each.lead_id for each in opportunities.recent(conn, 1000)} & by_id.keys())
    stories = {lead_id: decisions.story(conn, lead_id) for lead_id in promoted}
    if not stories:
        return
    chosen = max(stories, key=lambda lead_id: richness(stories[lead_id]))
    history = {event.id: event for event in events.history(conn, chosen)}
    summary.lead = by_id[chosen].email or str(chosen)
    summary.story = list(story_lines(stories[chosen], history))


def richness(story: Sequence[LoggedDecision]) -> tuple[bool, int]:
    """How much there is to see in a story: many kinds of decisions, and not too long."""
    return len(story) <= LONGEST_STORY, len({(each.kind, each.rule) for each in story})


def story_lines(story: Iterable[LoggedDecision], history: Mapping[int, LoggedEvent]) -> Iterable[Line]:
    """Decisions as sentences; the instant is the event's own where there is one."""
    for decision in story:
        event = history.get(decision.event_id) if decision.event_id else None
        text = sentence(decision, event)
        if text:
            yield Line(event.occurred_at if event else decision.decided_at, decision.kind, text)


def sentence(decision: LoggedDecision, event: LoggedEvent | None) -> str:
    """One decision in the words of `dripline explain`; empty for those that only prepare another."""
    if decision.kind not in TOLD:
        return ""
    told = words.sentence(
        Decided(
            decision.decided_at, None, decision.kind, decision.rule, decision.version, decision.event_id,
            event.type if event else None, decision.detail,
        )
    )  # fmt: skip
    return f"{what(event)}: {told}" if event and decision.kind in ABOUT_EVENTS else told


def what(event: LoggedEvent) -> str:
    """What somebody did."""
    known = (event.properties.get(name) for name in ("form", "url", "content", "webinar"))
    told = next((str(value) for value in known if value), "")
    return " ".join(filter(None, (event.type, told.removeprefix(SITE))))

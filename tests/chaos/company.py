"""The company of these tests: two scoring rules, a campaign of two mails two seconds apart, and a promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET: Final = "whsec_" + "c2VjcmV0LW9mLXRoZS1jaGFvcy10ZXN0cw=="
OWNER: Final = "ana@northwind.test"
HALF_LIFE: Final = timedelta(days=30)
WAIT: Final = timedelta(seconds=2)

MAIL: Final = """---
subject: {subject}
category: marketing
---
Hello. This is Northwind.
{{{{ account.address }}}}
{{{{ unsubscribe_url }}}}
"""

BUNDLE: Final[dict[str, str]] = {
    "rules/account.yaml": """
account:
  company: Northwind
  zone: UTC
  currency: EUR
  sender: Nora at Northwind <nora@northwind.test>
  address: 1 Road, Town
""",
    "rules/events.yaml": "events: {page.viewed: {url: text}, form.submitted: {form: text}}\n",
    "rules/lifecycle.yaml": """
stages:
  subscriber: {}
  sales-qualified: {when: 'score("engagement") >= 38'}
  opportunity: {}
  customer: {}
""",
    "rules/scoring/engagement.yaml": """
score: engagement
half_life: 30 days
range: [0, 100]
rules:
  pricing: {event: page.viewed, when: event.url == "/pricing", points: 5}
  demo: {event: form.submitted, when: event.form == "demo", points: 20}
""",
    "rules/promotion.yaml": f"""
promote:
  at: sales-qualified
  when: score("engagement") >= 38
  opportunity: {{crm: hubspot, pipeline: default, stage: qualifiedtobuy, name: lead.email}}
  owner: {OWNER}
""",
    "rules/campaigns/welcome.yaml": """
campaign: welcome
enter: {event: form.submitted, when: event.form == "newsletter"}
steps:
  - send: first
  - wait: 2 seconds
  - send: second
""",
    "rules/sources/site.yaml": """
source: site
adapter: standard
batch: events
event_id: id
identity: {email: email}
occurred_at: at
properties: {url: url, form: form, message_id: message_id}
""",
    "templates/first/mail.txt": MAIL.format(subject="first"),
    "templates/second/mail.txt": MAIL.format(subject="second"),
}
"""A mail's subject is its template's name, so that what arrives can be counted without asking our own software."""


def points(kind: str, properties: Mapping[str, Any]) -> int:
    """What the scoring rules above say an event is worth, written a second time."""
    if kind == "page.viewed" and properties.get("url") == "/pricing":
        return 5
    if kind == "form.submitted" and properties.get("form") == "demo":
        return 20
    return 0

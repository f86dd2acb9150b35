"""A small rulebook for tests of the parts that only need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.rulebook import version_of
from workers.store import rulebooks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Engine

HELLO = """---
subject: Hello {{ lead.first_name | default("you") }}
category: marketing
---
Hello {{ lead.first_name | default("you") }}

{{ account.company }}, {{ account.address }}
{{ unsubscribe_url }}
"""

BUNDLE: dict[str, str] = {
    "rules/account.yaml": """
account:
  company: Acme
  zone: UTC
  currency: EUR
  sender: Nora at Acme <nora@acme.test>
  address: 1 Road, Town
""",
    "rules/fields.yaml": "fields: {first_name: {type: text}, employees: {type: integer}}\n",
    "rules/events.yaml": "events: {page.viewed: {url: text}, form.submitted: {form: text}}\n",
    "rules/lifecycle.yaml": """
stages:
  subscriber: {}
  sales-qualified: {when: 'score("engagement") >= 50'}
  opportunity: {}
  customer: {}
""",
    "rules/scoring/engagement.yaml": """
score: engagement
half_life: 30 days
range: [0, 100]
bands: {hot: {enter: 50, leave: 40}}
rules:
  viewed: {event: page.viewed, points: 5}
  asked: {event: form.submitted, when: 'event.form == "demo"', points: 60}
""",
    "rules/scoring/fit.yaml": """
score: fit
range: [0, 100]
rules:
  big: {when: lead.employees >= 100, points: 30}
""",
    "rules/promotion.yaml": """
promote:
  at: sales-qualified
  when: score("engagement") >= 50
  evidence:
    all: true
    of: {size: lead.employees >= 100}
  opportunity: {crm: webhook, pipeline: default, stage: new, name: '"Acme"', amount: lead.employees * 10, currency: EUR}
  owner: ana@acme.test
""",
    "rules/campaigns/welcome.yaml": """
campaign: welcome
enter: {event: form.submitted, when: 'event.form == "newsletter"'}
steps:
  - send: hello
  - wait: 2 days
  - send: hello
""",
    "rules/sources/product.yaml": """
source: product
adapter: standard
identity: {email: data.email}
properties: {url: data.url, form: data.form}
lead: {first_name: data.first_name, employees: data.employees}
""",
    "templates/hello/mail.txt": HELLO,
}
PRODUCT_SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


def apply(engine: Engine, now: datetime, bundle: Mapping[str, str] = BUNDLE) -> str:
    """Put a bundle in force; returns its version."""
    version = version_of(bundle)
    with engine.begin() as conn:
        rulebooks.apply(conn, version, bundle, author="test", message="", now=now)
    return version

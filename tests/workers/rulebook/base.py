"""A small rulebook without a mistake; cases replace or add files."""

from __future__ import annotations

from typing import Final

BASE: Final = {
    "rules/account.yaml": """\
account:
  company: Acme
  zone: Europe/Berlin
  currency: EUR
  sender: Ann <ann@acme.example>
  address: Street 1, Town
""",
    "rules/fields.yaml": """\
fields:
  first_name: {type: text}
  employees: {type: integer}
  country: country
""",
    "rules/events.yaml": """\
events:
  trial.started: {plan: text}
""",
    "rules/lifecycle.yaml": """\
stages:
  subscriber: {}
  lead: {when: 'score("engagement") >= 10'}
  opportunity: {}
""",
    "rules/scoring/engagement.yaml": """\
score: engagement
half_life: 30 days
bands:
  warm: {enter: 30, leave: 20}
  hot: {enter: 70, leave: 55}
rules:
  demo: {event: form.submitted, when: 'event.form == "demo"', points: 40}
  tried: {event: trial.started, points: 20}
  big: {when: lead.employees > 100, points: 5}
""",
    "rules/promotion.yaml": """\
promote:
  at: lead
  when: band("engagement") == "hot"
  evidence: {at_least: 1, of: {size: lead.employees > 10}}
  opportunity: {crm: hubspot, stage: new, name: lead.first_name, amount: lead.employees * 10, close_in: 45 days}
  owner: ana@acme.example
""",
    "rules/campaigns/welcome.yaml": """\
campaign: welcome
enter: {event: form.submitted, when: event.form == "newsletter"}
exit: [{event: email.replied}, {stage: opportunity}]
steps:
  - send: welcome/hello
  - wait: 2 days
  - send: welcome/hello
  - end: done
""",
    "rules/sources/forms.yaml": """\
source: forms
adapter: typeform
fields: {anything: goes}
""",
    "templates/welcome/hello/mail.txt": """\
---
subject: Hello {{ lead.first_name }}
category: marketing
---
Hi {{ lead.first_name | default("there") }}, {{ account.company }}
{{ unsubscribe_url }}
""",
    "templates/welcome/hello/mail.html": """\
<p>Hi {{ lead.first_name }}</p>
""",
}


def changed(path: str, old: str, new: str) -> dict[str, str]:
    """The rulebook with other words in one of its files."""
    assert old in BASE[path]
    return {**BASE, path: BASE[path].replace(old, new)}

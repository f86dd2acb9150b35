"""Rule files that use every way of counting, for the tests of what is told about leads."""

from __future__ import annotations

from tests.workers.rulebooks import BUNDLE

SAME = ("rules/campaigns/welcome.yaml", "rules/sources/product.yaml", "templates/hello/mail.txt")
RULES: dict[str, str] = {
    **{path: BUNDLE[path] for path in SAME},
    "rules/account.yaml": BUNDLE["rules/account.yaml"] + "machines: {credit_within: 1 day}\n",
    "rules/fields.yaml": """
fields:
  first_name: text
  employees: {type: integer, merge: highest}
  timeline: {type: text, allowed: [now, later]}
""",
    "rules/events.yaml": "events: {order.placed: {amount: decimal}}\n",
    "rules/lifecycle.yaml": """
stages:
  subscriber: {}
  lead: {when: 'score("engagement") >= 10'}
  sales-qualified: {when: 'band("engagement") == "hot" and segment("big")'}
  opportunity: {}
  customer: {}
""",
    "rules/segments.yaml": """
segments:
  big: lead.employees >= 100
  reader: count("page.viewed", within="7d") >= 3
""",
    "rules/scoring/engagement.yaml": """
score: engagement
half_life: 30 days
range: [0, 100]
groups: {web: {range: [0, 30]}, mail: {range: [-20, 40]}}
bands: {warm: {enter: 30, leave: 20}, hot: {enter: 60, leave: 45}}
rules:
  viewed: {event: page.viewed, points: 5, limit: 3 per day, group: web}
  asked: {event: form.submitted, when: 'event.form == "demo"', points: 40, limit: once per event.form}
  third-click: {event: email.clicked, points: 10, every: 3, group: mail}
  unsubscribed: {event: email.unsubscribed, points: -50, group: mail}
  ordered: {event: order.placed, points: event.amount / 100, between: [0, 50], half_life: 90 days}
  reader: {when: segment("reader"), points: 4}
  later: {event: chat.started, points: 3, from: 2099-01-01}
  earlier: {event: chat.started, points: 3, until: 2001-01-01}
""",
    "rules/scoring/fit.yaml": """
score: fit
rules:
  big: {when: lead.employees >= 100, points: 33}
  later: {when: 'lead.timeline == "later"', points: 100 / (lead.employees - 7), between: [0, 20]}
""",
    "rules/scoring/priority.yaml": """
score: priority
formula: score("fit") * 0.4 + score("engagement") * 0.6
""",
    "rules/promotion.yaml": """
promote:
  at: sales-qualified
  when: score("fit") >= 30
  evidence:
    all: true
    of: {size: lead.employees >= 100, timing: lead.timeline == "now"}
  opportunity: {crm: webhook, pipeline: default, stage: new, name: '"Acme"', amount: lead.employees * 10}
  owner: ana@acme.test
""",
}
DEARER = RULES | {"rules/scoring/fit.yaml": RULES["rules/scoring/fit.yaml"].replace("33", "66")}
"""The same, later."""
CAMPAIGNS = RULES | {
    "rules/fields.yaml": RULES["rules/fields.yaml"] + "  born: date\n  renewal: date\n",
    "rules/caps.yaml": "caps: {limit: 1 per week}\n",
    "rules/promotion.yaml": RULES["rules/promotion.yaml"] + "  accept_within: 1 day\n  escalate: boss@acme.test\n",
    "rules/lifecycle.yaml": RULES["rules/lifecycle.yaml"]
    + '  disqualified: {when: score("fit") < 10, reason: too small, terminal: true}\n',
    "rules/campaigns/asked.yaml": """
campaign: asked
enter: {event: form.submitted}
key: event.form
again: 1 day
steps: [{send: hello}, {wait: 1 day}, {send: hello, id: second}]
""",
    "rules/campaigns/ways.yaml": """
campaign: ways
enter:
  - {stage: sales-qualified}
  - {segment: reader}
  - {band: {engagement: hot}}
  - {date: born, yearly: true}
  - {date: renewal, before: 30 days}
  - {schedule: monday 09:00, when: lead.employees > 1000}
again: 300 days
steps: [{send: hello}]
""",
    "rules/campaigns/early.yaml": """
campaign: early
enter: {event: form.submitted}
exit: {stage: lead}
steps: [{send: hello}]
""",
    "rules/campaigns/receipts.yaml": """
campaign: receipts
enter: {event: order.placed}
steps: [{wait: 1 day}, {send: hello}]
""",
}
"""The same with campaigns of every way in."""
SKIPPING = CAMPAIGNS | {"rules/caps.yaml": "caps: {limit: 1 per week, over: skip}\n"}
"""The same, and what is too much is not sent."""

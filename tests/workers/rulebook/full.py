"""A rulebook that uses every word of the language, for what has to hold of all of them."""

from __future__ import annotations

from typing import Final

from tests.workers.rulebook.base import BASE

FULL: Final = {
    **BASE,
    "rules/account.yaml": f"""{BASE["rules/account.yaml"]}\
  business: {{days: [mon, tue, wed, thu], holidays: [DE-BY, lead], closed: [2026-12-24]}}
""",
    "rules/fields.yaml": """\
fields:
  first_name: {type: text, personal: true}
  employees: {type: integer, merge: highest}
  country: country
  seats: {type: integer, merge: first}
  budget: money
  timeline: {type: text, allowed: [now, this quarter, later]}
  interests: {type: list of text, merge: union, allowed: [bi, ml]}
  marks: list
  born: date
  seen: datetime
""",
    "rules/events.yaml": """\
events:
  trial.started: {plan: text}
  order.placed: {amount: money}
""",
    "rules/scoring/engagement.yaml": """\
score: engagement
half_life: 30 days
groups: {web: {range: [0, 30]}, mail: {range: [-20, 40]}}
bands: {warm: {enter: 30, leave: 20}, hot: {enter: 70, leave: 55, hold: 1 hour, cool_down: 7 days}}
rules:
  pricing: {event: page.viewed, when: '"/pricing" in event.url', points: 5, limit: 3 per day, group: web}
  demo: {event: form.submitted, when: event.form == "demo", points: 40, limit: once per event.form}
  form: {event: form.submitted, points: 2, limit: 2 per event.form per week}
  click: {event: email.clicked, points: 10, every: 3, group: mail, limit: 1 per 14 days}
  order: {event: order.placed, points: event.amount / 100, between: [0, 50], half_life: 90 days}
  spring: {event: webinar.attended, points: 20, from: 2026-02-01, until: 2026-06-01T12:00:00Z, range: [0, 40]}
  trial: {event: trial.started, points: 20, expire: 90 days}
  gone: {event: email.unsubscribed, points: -50, decay: none}
  active: {when: 'count("content.downloaded", within="60d") >= 3', points: 15, group: web}
""",
    "rules/scoring/usage.yaml": """\
score: usage
decay: {percent: 20, every: 7 days}
range: [-5, 50]
bands: {B: {enter: 10, leave: 5}}
rules:
  page: {event: page.viewed, points: 2}
  trial: {event: trial.started, points: 30, limit: 3 times}
""",
    "rules/scoring/fit.yaml": """\
score: fit
bands: {A: {enter: 60, leave: 40}}
rules:
  big: {when: lead.employees > 100, points: 60}
  ml: {when: '"ml" in lead.interests', points: lead.seats / 2, between: [0, 10]}
  north: {when: segment("north"), points: 5}
""",
    "rules/scoring/priority.yaml": """\
score: priority
formula: score("fit") * 0.4 + score("engagement") * 0.6 + (5 if segment("sleepy") else 0)
range: [0, 90]
bands: {top: {enter: 50, leave: 45}}
""",
    "rules/grades.yaml": "grade: worth\nof: [fit, engagement]\nlabels: {A hot: A1, Awarm: A2}\n",
    "rules/segments.yaml": """\
segments:
  north: lead.country in ["DE", "DK"]
  enterprise: lead.employees >= 1000 and segment("north")
  sleepy: days_since("email.clicked") > 30 and distinct("page.viewed", "url", within="30d") < 3
  fresh: now() - first("form.submitted") < 7 or last("form.submitted") > datetime("2026-02-20T00:00:00Z")
  busy: count("page.viewed", within="12h") > 2 and count("page.viewed", within="30 minutes") > 0
  top: band("priority") == "top" and grade("worth") == "A1" and score("usage") > 3 and stage() != "customer"
""",
    "rules/machines.yaml": "machines: {credit_within: 1 day}",
    "rules/lifecycle.yaml": """\
stages:
  subscriber: {}
  lead: {when: 'score("engagement") >= 10'}
  recycled: {when: 'days_since("crm.lost") < 30', back_from: [sales-qualified, opportunity], reason: lost}
  sales-qualified: {when: 'grade("worth") in ["A1", "A2"]'}
  opportunity: {}
  customer: {}
  disqualified: {when: lead.timeline == "later" and segment("sleepy"), reason: asleep, terminal: true}
""",
    "rules/promotion.yaml": """\
promote:
  at: lead
  when: score("engagement") >= 20
  evidence: {at_least: 1, of: {size: lead.employees > 10, seats: lead.seats >= 5}}
  opportunity: {crm: hubspot, stage: new, name: lead.first_name, amount: lead.employees * 10, close_in: 45 days}
  again: days_since("crm.lost") > 90
  owner:
    territories: [{when: 'lead.country in ["DE", "AT", "CH"]', round_robin: {vera@acme.example: 1}}]
    round_robin: {ana@acme.example: {weight: 2, cap: 5 per day}, ben@acme.example: {cap: 20 per 14 days}}
    fallback: lead@acme.example
  note: handoff/note
  accept_within: 2 business hours
  escalate: head@acme.example
""",
    "rules/campaigns/times.yaml": """\
campaign: times
enter:
  - {date: born, yearly: true, at: "10:30", zone: account}
  - {date: seen, before: 30 days, when: lead.employees > 5}
  - {date: born, after: 1 week}
  - {schedule: "monday, thursday 09:00", zone: lead, when: segment("north")}
again: 300 days
quiet_hours: {from: "20:00", to: "08:00", zone: Asia/Tokyo}
send_on: business days
steps:
  - wait_till: 09:00
  - wait_till: "17:30"
    days: [mon, friday]
    zone: account
    id: evening
  - wait_date: {field: seen, before: 1 hour}
  - wait_date: {field: born, after: 2 weeks, at: 10:00, zone: UTC}
    else: [{send: welcome/hello}]
  - send: welcome/hello
""",
    "rules/campaigns/deeds.yaml": """\
campaign: deeds
enter: {stage: lead}
owner: ops@acme.example
steps:
  - set_field: {field: timeline, value: later}
  - set_field: {field: seats, expression: lead.employees / 10}
  - set_field: {field: seen, expression: now()}
  - set_field: {field: interests, value: [bi, ml]}
  - add_score: {model: usage, points: -2.5}
  - add_score: {model: fit, points: lead.seats / 2}
  - stage: recycled
    reason: asked for it
  - notify: "{{ lead.first_name | default('somebody') }} is {{ score('fit') }} big"
  - notify: {to: ana@acme.example, subject: "{{ lead.country }}", text: hello}
  - notify: {hook: slack-sales, text: "{{ lead.first_name }}"}
  - webhook: {hook: signed, type: deed.done, fields: [email, seats]}
  - webhook: signed
  - promote
  - promote:
    id: again
  - enter_campaign: times
  - exit_campaign: welcome
""",
    "rules/examples.yaml": """\
examples:
  - name: a demo is worth something
    given:
      lead: {first_name: Ann}
      events: [{at: 0d, type: form.submitted, form: demo, lead: {employees: 5}}]
    at: 3 days
    expect: {score: {engagement: [30, 42]}, band: {engagement: warm}, stage: lead, missing: [size, seats]}
    never: {promoted: true, segments: enterprise, mails: welcome/hello, grade: {worth: A1}, reached: [customer]}
""",
    "templates/handoff/note/note.txt": """\
{{ lead.first_name }} {{ scores.fit.score }} {{ account.company }}
{% for name, held in evidence.items() %}{{ name }}{% endfor %}{% for event in recent %}{{ event.type }}{% endfor %}
""",
    "rules/consent.yaml": """\
consent:
  marketing: {name: News, description: What is new, lawful_basis: legitimate_interest}
  webinars:
    name: Webinars
    description: Invitations
    lawful_basis: consent
    double_opt_in: true
    given_by: [{event: form.submitted, when: event.form == "webinar", text: Invite me}]
confirmation: {template: consent/confirm, at_most: 2, within: 7 days}
soft_bounces: {at_most: 4, within: 14 days}
""",
    "templates/consent/confirm/mail.txt": "---\nsubject: Sure?\ncategory: transactional\n---\n{{ confirm_url }}\n",
}

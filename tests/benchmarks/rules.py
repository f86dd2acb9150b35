"""A rulebook of the size that the measurements name: 100 scoring rules and 20 campaigns.

The conditions are of the kinds that people write: equality, containment, numbers, lists. Every campaign waits a day
before its first mail, so that a run measures scoring and deciding and not the sending of mail.
"""

from __future__ import annotations

from typing import Final

CAMPAIGNS: Final = 20

FILES: Final = {
    "rules/account.yaml": """
account:
  company: Northwind
  zone: Europe/Berlin
  currency: EUR
  sender: "Nora <nora@northwind.example>"
  address: "Northwind GmbH, Speicherstr. 12, 20457 Hamburg, Germany"
""",
    "rules/fields.yaml": """
fields:
  first_name: {type: text}
  employees: {type: integer}
  country: {type: country}
""",
    "rules/events.yaml": """
events:
  form.submitted: {form: text, url: text}
  page.viewed: {form: text, url: text}
  content.downloaded: {form: text, url: text}
  webinar.attended: {form: text, url: text}
  meeting.booked: {form: text, url: text}
""",
    "rules/lifecycle.yaml": """
stages:
  subscriber: {}
  lead: {when: 'score("engagement") >= 10'}
  marketing-qualified: {when: 'band("engagement") == "hot"'}
  sales-qualified: {when: 'band("engagement") == "hot" and score("fit") >= 60'}
""",
    "rules/sources/site.yaml": """
source: site
adapter: standard
identity: {email: data.email}
lead: {first_name: data.first_name, employees: data.employees, country: data.country}
properties: {form: data.form, url: data.url}
""",
    "rules/sources/sendgrid.yaml": "source: sendgrid\n",
    "templates/bench/hello/mail.txt": """---
subject: Hello
category: marketing
---
Hello {{ lead.first_name | default("there") }}
""",
}

ENGAGEMENT: Final = """
score: engagement
half_life: 30 days
range: [0, 100]
bands: {warm: {enter: 30, leave: 20}, hot: {enter: 70, leave: 55}}
rules:
"""


def bundle() -> dict[str, str]:
    """Rule and template files by path."""
    campaigns = {f"rules/campaigns/c{n}.yaml": _campaign(n) for n in range(CAMPAIGNS)}
    return FILES | campaigns | {"rules/scoring/engagement.yaml": _engagement(), "rules/scoring/fit.yaml": _fit()}


def _engagement() -> str:
    """80 event rules on three types."""
    pages = [(event, n) for event in ("email.clicked", "page.viewed") for n in range(30)]
    rules = [_rule(event, n, f'"/page-{n}" in event.url', 1 + n % 5) for event, n in pages]
    forms = [_rule("form.submitted", n, f'event.form == "form-{n}" and event.form != "spam"', n) for n in range(1, 21)]
    return ENGAGEMENT + "\n".join([*rules, *forms]) + "\n"


def _rule(event: str, number: int, when: str, points: int) -> str:
    name = event.replace(".", "-")
    return f"  {name}-{number}: {{event: {event}, when: '{when}', points: {points}}}"


def _fit() -> str:
    """20 rules on the profile."""
    sizes = [f"  size-{n}: {{when: lead.employees >= {n * 250}, points: {1 + n % 4}}}" for n in range(16)]
    countries = enumerate(["US", "DE", "FR", "GB"], 1)
    places = [f'  place-{n}: {{when: \'lead.country in ["{name}", "CH"]\', points: {5 * n}}}' for n, name in countries]
    return "score: fit\nrange: [0, 100]\nrules:\n" + "\n".join([*sizes, *places]) + "\n"


def _campaign(n: int) -> str:
    return f"""
campaign: c{n}
enter: {{event: form.submitted, when: event.form == "form-{n}"}}
exit: [{{event: email.unsubscribed}}, {{stage: sales-qualified}}]
steps:
  - wait: 1 day
  - send: bench/hello
  - wait: 2 days
  - send: bench/hello
"""

"""Rules that every example of the manual can stand among, in the place of the file of its kind or name."""

from __future__ import annotations

from typing import Final

from tests.workers.rulebook.base import BASE
from workers.rulebook.problems import Problems
from workers.rulebook.shape import declared
from workers.rulebook.specs import ONCE, first_kind
from workers.rulebook.yaml12 import read_yaml

MAIL: Final = "---\nsubject: Hello\ncategory: marketing\n---\nHello {{ unsubscribe_url }}\n"
MANUAL_BASE: Final = {
    "rules/account.yaml": BASE["rules/account.yaml"],
    "rules/fields.yaml": """\
fields:
  first_name: text
  title: text
  company: text
  country: country
  employees: integer
  seats: integer
  renewal: date
  account_manager: email
  budget: money
  timeline: {type: text, allowed: [now, this quarter, later]}
""",
    "rules/events.yaml": "events: {order.placed: {amount: money}}",
    "rules/segments.yaml": "segments: {enterprise: lead.employees >= 1000}",
    "rules/lifecycle.yaml": """\
stages:
  subscriber: {}
  lead: {when: 'score("engagement") >= 10'}
  sales-qualified: {when: 'score("fit") >= 50'}
  opportunity: {}
  customer: {}
""",
    "rules/scoring/engagement.yaml": """\
score: engagement
bands: {warm: {enter: 30, leave: 20}, hot: {enter: 70, leave: 55}}
rules: {demo: {event: form.submitted, points: 40}}
""",
    "rules/scoring/fit.yaml": """\
score: fit
bands: {B: {enter: 30, leave: 30}, A: {enter: 60, leave: 60}}
rules: {big: {when: lead.employees > 100, points: 70}}
""",
    "rules/grades.yaml": "grade: priority\nof: [fit, engagement]\nlabels: {A hot: A1}",
    "rules/promotion.yaml": """\
promote:
  at: sales-qualified
  opportunity: {crm: hubspot, stage: new, name: lead.company}
  evidence: {any: true, of: {timing: lead.timeline == "now", budget: lead.budget > 0}}
""",
    "rules/campaigns/welcome.yaml": "campaign: welcome\nenter: {event: form.submitted}\nsteps: [{send: welcome/hello}]",
    "rules/campaigns/trial.yaml": "campaign: trial\nenter: {event: form.submitted}\nsteps: [{wait: 1 day}]",
    "templates/welcome/hello/mail.txt": MAIL,
    "templates/trial/first-steps/mail.txt": MAIL,
    "templates/consent/confirm/mail.txt": "---\nsubject: Sure?\ncategory: transactional\n---\n{{ confirm_url }}\n",
    "templates/handoff/note/note.txt": "{{ lead.company }}: {{ scores.fit.score }}",
}


def among(example: str) -> dict[str, str]:
    """The base with an example in it, without what the example takes the place of."""
    said = read_yaml("rules/example.yaml", example, Problems())
    word = first_kind(said)
    single = {next(iter(declared(kind))) for kind in ONCE}
    rest = {
        path: text
        for path, text in MANUAL_BASE.items()
        if not path.startswith("rules/") or not replaces(word, said.plain, read_yaml(path, text, Problems()), single)
    }
    return {**rest, "rules/example.yaml": example}


def replaces(word, said, other, single) -> bool:
    """True if two files cannot stand side by side."""
    same = first_kind(other) == word
    return same and (word in single or (isinstance(said[word], str) and said[word] == other.plain[word]))

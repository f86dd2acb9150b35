"""What examples expect of campaigns. Cases as data: cases/expected.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.workers.reports.bundles import RULES as BASE
from tests.workers.rulebook.manual_base import among
from workers.rulebook import compile_rulebook, examples_of
from workers.rulebook.reference import Entry, entries
from workers.simulate.examples import Run, run_examples

CASES: Final = {
    case["name"]: case
    for case in yaml.safe_load(Path(__file__).with_name("cases").joinpath("expected.yaml").read_text(encoding="utf-8"))
}
MAIL: Final = BASE["templates/hello/mail.txt"]
RULES: Final = BASE | {
    "rules/account.yaml": BASE["rules/account.yaml"].replace("zone: UTC", "zone: Europe/Berlin"),
    "rules/fields.yaml": BASE["rules/fields.yaml"] + "  time_zone: zone\n",
    "rules/events.yaml": "events: {order.placed: {amount: decimal, number: text}}",
    "rules/caps.yaml": "caps: {limit: 2 per day}",
    "templates/a/mail.txt": MAIL,
    "templates/b/mail.txt": MAIL,
    "rules/campaigns/drip.yaml": """
campaign: drip
enter: {event: form.submitted, when: event.form == "news"}
goal: {event: meeting.booked}
exit: [{event: email.replied}, {stage: opportunity}]
steps: [{send: hello}, {wait: 2 days}, {send: hello}, {end: told}]
""",
    "rules/campaigns/order.yaml": """
campaign: order
enter: {event: order.placed}
key: event.number
steps: [{send: a}, {wait: 5 days}, {end: over}]
""",
    "rules/campaigns/night.yaml": """
campaign: night
enter: {event: meeting.booked}
quiet_hours: {from: "20:00", to: "07:00"}
steps: [{send: a}]
""",
    "rules/campaigns/late.yaml": """
campaign: late
enter: {stage: lead}
existing: true
steps: [{send: a}]
""",
    "rules/campaigns/moved.yaml": """
campaign: moved
enter: {event: webinar.attended}
edit: {move: {send-old: send-a}}
pause_when: {bounced: 5%, failed: 50%, days: 2, at_least: 100}
steps: [{send: a}, {wait: 1 day}, {send: b}, {end: over}]
""",
    "rules/campaigns/test.yaml": """
campaign: test
enter: {event: page.viewed}
hold_out: 20%
steps:
  - split: {arms: {x: {steps: [{send: a}]}, y: {steps: [{send: b}]}}}
    id: which
  - notify: {to: ana@acme.test, text: "{{ lead.first_name }} was here"}
  - notify: {hook: slack, text: "{{ lead.first_name }}"}
  - webhook: {hook: signed, type: lead.seen, fields: [first_name]}
  - add_score: {model: engagement, points: 7}
  - set_field: {field: timeline, value: later}
""",
}
del RULES["rules/campaigns/welcome.yaml"]


def with_example(name: str, example: dict) -> dict[str, str]:
    said = yaml.safe_dump({"examples": [{"name": name, **example}]}, sort_keys=False)
    return RULES | {"rules/examples.yaml": said}


def run(name: str) -> Run:
    bundle = with_example(name, CASES[name]["example"])
    (done,) = run_examples(examples_of(bundle), compile_rulebook(bundle))
    return done


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    assert [difference.text for difference in run(name).differences] == CASES[name]["differences"]


def test_a_difference_shows_what_there_is() -> None:
    (difference,) = run("a run is left, and why").differences
    assert difference.hint == "there is: campaign drip; run 1; outcome exited; step send-hello-2; exit email.replied"
    assert str(difference.place) == "rules/examples.yaml:13:7"


MANUAL: Final = [entry for entry in entries() if "examples:" in entry.example]


@pytest.mark.parametrize("entry", MANUAL, ids=[f"{entry.word} {entry.where}" for entry in MANUAL])
def test_every_example_that_the_manual_shows_holds(entry: Entry) -> None:
    bundle = among(entry.example)
    runs = run_examples(examples_of(bundle), compile_rulebook(bundle))
    assert [str(problem) for each in runs for problem in each.problems()] == []

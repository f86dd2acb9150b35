"""What makes a rulebook, and each campaign in it, another one; and when leads are counted anew for it."""

from __future__ import annotations

import pytest

from tests.workers.rulebook.base import BASE, changed
from tests.workers.rulebook.full import FULL
from workers.rulebook import compile_rulebook, examples_of


def test_the_version_is_the_content(rulebook):
    assert len(rulebook.version) == 64
    assert compile_rulebook(dict(reversed(BASE.items()))).version == rulebook.version
    commented = changed("rules/campaigns/welcome.yaml", "campaign: welcome", "campaign: welcome  # hello")
    assert compile_rulebook(commented).version != rulebook.version


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("campaign: welcome", "# hello\ncampaign: welcome", True),
        ("- wait: 2 days", "- {wait: 2 days}", True),
        ("- wait: 2 days", "- wait: 3 days", False),
        ('"newsletter"', '"demo"', False),
    ],
)
def test_a_campaigns_version_is_what_it_says(rulebook, old, new, same):
    other = compile_rulebook(changed("rules/campaigns/welcome.yaml", old, new))
    assert (other.campaigns["welcome"].version == rulebook.campaigns["welcome"].version) is same


def test_given_ids_stay():
    given_id = changed("rules/campaigns/welcome.yaml", "- wait: 2 days", "- wait: 2 days\n    id: pause")
    assert compile_rulebook(given_id).campaigns["welcome"].steps[1].id == "pause"


@pytest.mark.parametrize(
    ("path", "old", "new", "same"),
    [
        ("rules/scoring/fit.yaml", "score: fit", "# hello\nscore: fit", True),
        ("rules/campaigns/welcome.yaml", "2 days", "3 days", True),
        ("rules/lifecycle.yaml", ">= 10", ">= 11", True),
        ("rules/segments.yaml", "fresh: now()", "fresh: now( )", True),
        ("rules/fields.yaml", "first_name: {type: text, personal: true}", "first_name: text", True),
        ("rules/promotion.yaml", "seats >= 5", "seats >= 6", True),
        ("rules/account.yaml", "company: Acme", "company: Acme Inc", True),
        ("rules/scoring/fit.yaml", "points: 60", "points: 61", False),
        ("rules/scoring/usage.yaml", "percent: 20", "percent: 21", False),
        ("rules/segments.yaml", '"DE", "DK"', '"DE", "SE"', False),
        ("rules/segments.yaml", '"30d") < 3', '"31d") < 3', False),
        ("rules/segments.yaml", 'first("form.submitted")', 'first("form.submitted", within="9d")', False),
        ("rules/fields.yaml", "merge: highest", "merge: last", False),
        ("rules/fields.yaml", "[bi, ml]", "[bi, ml, ai]", False),
        ("rules/events.yaml", "plan: text", "plan: country", False),
        ("rules/machines.yaml", "1 day", "2 days", False),
        ("rules/promotion.yaml", "crm.lost", "email.replied", False),
        ("rules/account.yaml", "Europe/Berlin", "Europe/Lisbon", False),
    ],
)
def test_leads_are_counted_anew_when_what_counting_depends_on_changes(full, path, old, new, same):
    assert old in FULL[path]
    other = compile_rulebook({**FULL, path: FULL[path].replace(old, new)})
    assert (other.scoring == full.scoring) is same


def test_examples_change_nothing_but_the_version():
    bundle = {**FULL}
    for name, path in (("x", "rules/scoring/fit.yaml"), ("y", "rules/campaigns/welcome.yaml")):
        bundle[path] += f"\nexamples: [{{name: {name}, given: {{}}, expect: {{promoted: false}}}}]\n"
    plain, other = compile_rulebook(FULL), compile_rulebook(bundle)
    assert plain.version != other.version
    assert plain.scoring == other.scoring
    assert plain.campaigns["welcome"].version == other.campaigns["welcome"].version
    assert [str(each.name) for each in examples_of(bundle)] == ["y", "a demo is worth something", "x"]
    assert str(examples_of(bundle)[0].node.place) == "rules/campaigns/welcome.yaml:10:12"

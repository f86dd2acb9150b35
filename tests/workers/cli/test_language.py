"""`dripline check`, `test`, `schema`, `docs` and `explain`, used as from a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.workers.cli.folders import ANN, EXAMPLES, WRONG, happen, write
from tests.workers.reports.bundles import RULES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.cli.conftest import Dripline

# ── check and test ───────────────────────────────────────────────────────────────────────────────────────────


def test_check_runs_the_examples(dripline: Dripline, tmp_path: Path):
    write(tmp_path, {"rules/examples.yaml": EXAMPLES})
    done = dripline("check")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(" 1 example holds.\n")


def test_an_example_that_does_not_hold_is_a_finding_at_its_place(dripline: Dripline, tmp_path: Path):
    write(tmp_path, {"rules/examples.yaml": WRONG})
    done = dripline("check")
    assert done.code == 1
    assert done.out.splitlines() == [
        (
            "rules/examples.yaml:5:22: example: “everybody is a friend”: score engagement is 0, expected 40; "
            "nothing earned points"
        ),
        (
            "rules/examples.yaml:5:46: example: “everybody is a friend”: stage is subscriber, expected lead; "
            'score("engagement") >= 10 is false (score("engagement") is 0)'
        ),
        "rules/examples.yaml:5:59: example: “everybody is a friend”: mails are [hello], expected []",
        (
            "rules/examples.yaml:5:73: example: “everybody is a friend”: was not promoted; "
            "rules look at leads from stage sales-qualified on, this one is at subscriber"
        ),
    ]


@pytest.mark.usefixtures("database")
def test_what_some_leads_lack_at_some_places_is_a_warning(dripline: Dripline, tmp_path: Path):
    hello = RULES["templates/hello/mail.txt"]
    guarded = "{% if lead.employees is defined and lead.employees > 5 %}{{ lead.timeline }}{% endif %}\n"
    unsent = hello.replace("subject: Hello", "subject: Now {{ lead.timeline }}, hello")
    write(tmp_path, {"templates/hello/mail.txt": hello + guarded, "templates/unsent/mail.txt": unsent})
    done = dripline("check")
    assert (done.code, done.err) == (0, "")
    first, second, last = done.out.splitlines()
    number = (hello + guarded).count("\n")
    assert first.startswith(f"templates/hello/mail.txt:{number}:61: warning: may-be-missing: who comes by here without")
    assert second.startswith("templates/unsent/mail.txt:2:10: warning: may-be-missing: ")
    assert "(nothing sends it yet); write {{ lead.timeline" in second
    assert last.endswith(" 2 warnings.")
    assert dripline("check", "--strict").code == 1
    levels = [each["level"] for each in json.loads(dripline("check", "--format", "json").out)["problems"]]
    assert levels == ["warning", "warning"]
    run = json.loads(dripline("check", "--format", "sarif").out)["runs"][0]
    assert {each["level"] for each in run["results"]} == {"warning"}
    applied = dripline("apply")
    assert (applied.code, applied.err.count("may-be-missing")) == (0, 2)


def test_a_mail_that_needs_what_not_every_lead_has_is_a_finding(dripline: Dripline, tmp_path: Path):
    mail = RULES["templates/hello/mail.txt"].replace(
        'Hello {{ lead.first_name | default("you") }}\n\n', "Hello {{ lead.first_name }}\n"
    )
    write(tmp_path, {"templates/hello/mail.txt": mail})
    done = dripline("check")
    assert done.code == 1
    assert done.out.startswith("templates/hello/mail.txt:5:10: template-value: nobody without `lead.first_name` gets")
    assert "welcome.send-hello" in done.out
    assert 'write {{ lead.first_name | default("…") }}' in done.out


def test_findings_for_code_hosts(dripline: Dripline, tmp_path: Path):
    write(tmp_path, {"rules/examples.yaml": WRONG})
    found = json.loads(dripline("check", "--format", "sarif").out)
    place = found["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "rules/examples.yaml"
    assert place["region"] == {"startLine": 5, "startColumn": 22}


def test_check_renders_mails_for_leads_that_are_nowhere_and_everywhere(dripline: Dripline, tmp_path: Path):
    head = "---\nsubject: Hi\ncategory: transactional\n---\n"
    asked = "{{ stage() }}{% if band('engagement') == 'hot' %}{{ 1 / (score('engagement') - 42.5) }}{% endif %}"
    write(tmp_path, {"templates/hello/mail.txt": f"{head}{asked}\n{{{{ band('engagement') }}}}"})
    found = dripline("check").out.splitlines()
    everything, nothing = (line.partition(" (sent by")[0] for line in found if "template-value" in line)
    assert everything.endswith(
        "mail.txt:5:1: template-value: with everything known of the lead, float division by zero"
    )
    assert nothing.startswith("templates/hello/mail.txt:6:1: template-value: with nothing but the address known of ")
    assert nothing.endswith('the lead, band("engagement") has no value here')


def test_test_tells_the_story_of_an_example_that_fails(dripline: Dripline, tmp_path: Path):
    write(tmp_path, {"rules/good.yaml": EXAMPLES, "rules/wrong.yaml": WRONG})
    done = dripline("test")
    assert done.code == 1
    assert "holds   rules/good.yaml:3  a demo request is worth forty points" in done.out
    assert "failed  rules/wrong.yaml:3  everybody is a friend" in done.out
    assert "0d 00:00  form.submitted       enrolled welcome" in done.out
    assert done.err == "2 examples, 1 failed: everybody is a friend.\n"
    assert dripline("test", "-k", "demo").out.endswith("1 example, all hold.\n")
    assert json.loads(dripline("test", "--json").out)[1]["differences"][0]["line"] == 5


def test_test_says_when_there_is_nothing_to_run(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    assert dripline("test").out == "The rules have no examples yet.\n"
    assert "contains “x”" in dripline("test", "-k", "x").out


# ── schema and docs ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_is_printed_or_written(dripline: Dripline, tmp_path: Path):
    printed = json.loads(dripline("schema").out)
    assert dripline("schema", "--output", "schema.json").err == "Written to schema.json.\n"
    assert json.loads((tmp_path / "schema.json").read_text()) == printed


def test_words_are_explained(dripline: Dripline):
    assert "once per event.form" in dripline("docs", "limit").out
    assert "limit" in dripline("docs").out
    unknown = dripline("docs", "lmit")
    assert (unknown.code, "did you mean limit?" in unknown.err) == (1, True)


# ── explain ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_explain_says_why_and_why_not(dripline: Dripline, tmp_path: Path, database: str):
    write(tmp_path)
    dripline("apply")
    happen(database)
    told = dripline("explain", "Ann@acme.test").out
    for said in (
        "Score engagement: 40.00, warm",
        "engagement.asked",
        "+40.00  together",
        'not sales-qualified: band("engagement") == "hot" is false (band("engagement") is "warm")',
        'lacks timing: lead.timeline == "now" is false (lead.timeline is not known)',
        "welcome, run 1 since",
        "form.submitted (event 1)",
    ):
        assert said in told
    timeline = dripline("explain", ANN, "--timeline").out
    assert "enters welcome" in timeline
    assert "+40 by engagement.asked" in timeline
    past = json.loads(dripline("explain", ANN, "--at", "2020-01-01", "--json").out)
    assert (past["events"], past["scores"][0]["entries"]) == (0, [])
    assert dripline("explain", ANN, "--at", "soon").code == 2


@pytest.mark.usefixtures("database")
def test_nobody_is_explained(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    dripline("apply")
    done = dripline("explain", "nobody@acme.test")
    assert (done.code, done.err) == (1, "Nobody is known as nobody@acme.test.\n")

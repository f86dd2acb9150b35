"""The tools around the rule language, used as from a shell."""

from __future__ import annotations

import gzip
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.workers.reports.bundles import RULES
from workers.pipeline import process_slice
from workers.rulebook import compile_rulebook, version_of
from workers.store import events
from workers.store.database import connect
from workers.store.events import NewEvent
from workers.store.rulebooks import Rulebooks
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.workers.cli.conftest import Dripline

ANN = "email:ann@acme.test"
EXAMPLES = """
examples:
  - name: a demo request is worth forty points
    given:
      lead: {employees: 250}
      events: [{at: 0d, type: form.submitted, form: demo}]
    at: 30 days
    expect: {score: {engagement: 20, fit: [30, 40]}, band: {engagement: warm}, stage: lead, segments: [big]}
    never: {promoted: true, mails: [hello]}
"""
WRONG = """
examples:
  - name: everybody is a friend
    given: {events: [{at: 0d, type: form.submitted, form: newsletter}]}
    expect: {score: {engagement: 40}, stage: lead, mails: [], promoted: true}
"""


def write(folder: Path, *more: Mapping[str, str]) -> None:
    bundle = dict(RULES)
    for each in more:
        bundle |= each
    for path, text in bundle.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def line(number: int, kind: str, email: str, **more: object) -> str:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(hours=number)
    return json.dumps({"type": kind, "occurred_at": at.isoformat(), "email": email, "event_id": str(number), **more})


def recorded() -> list[str]:
    return [
        line(0, "form.submitted", "ann@acme.test", properties={"form": "demo"}, lead={"employees": 500}),
        line(1, "form.submitted", "bob@acme.test", properties={"form": "newsletter"}),
        line(2, "order.placed", "ann@acme.test", properties={"amount": 4000}),
        line(2, "order.placed", "ann@acme.test", properties={"amount": 4000}),
    ]


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


def test_test_tells_the_story_of_an_example_that_fails(dripline: Dripline, tmp_path: Path):
    write(tmp_path, {"rules/good.yaml": EXAMPLES, "rules/wrong.yaml": WRONG})
    done = dripline("test")
    assert done.code == 1
    assert "holds   rules/good.yaml:3  a demo request is worth forty points" in done.out
    assert "failed  rules/wrong.yaml:3  everybody is a friend" in done.out
    assert "0d 00:00  form.submitted       enrolled welcome" in done.out
    assert done.err == "2 examples, 1 failed.\n"
    assert dripline("test", "-k", "demo").out.endswith("1 example, all hold.\n")
    assert json.loads(dripline("test", "--json").out)[1]["differences"][0]["line"] == 5


def test_test_says_when_there_is_nothing_to_run(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    assert dripline("test").out == "The rules have no examples yet.\n"
    assert "contains “x”" in dripline("test", "-k", "x").out


# ── simulate ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_simulate_sums_up(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    (tmp_path / "events.jsonl").write_text("\n".join(recorded()) + "\n")
    done = dripline("simulate", "events.jsonl", "--until", "2026-04-30")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("3 events of 2 leads, by rules and templates")
    assert "1 event left out: came before" in done.out
    assert "welcome.send-hello  hello" in done.out
    assert "Not promoted: 1 lead far enough, and\n  no evidence of timing  1" in done.out


def test_simulate_says_what_counts_for_nothing(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    odd = [
        line(0, "coffee.drunk", "ann@acme.test"),
        line(1, "coffee.drunk", "ann@acme.test"),
        line(2, "order.placed", "ann@acme.test", properties={"amount": "4000"}, lead={"employees": "many"}),
        line(3, "order.placed", "ann@acme.test"),
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(odd))
    done = dripline("simulate", "events.jsonl").out
    assert "Left aside\n  undeclared-event  event.coffee.drunk  2\n" in done
    assert "  bad-property  event.order.placed      1\n" in done
    assert "  no-value  engagement.ordered          2\n" in done
    told = json.loads(dripline("simulate", "events.jsonl", "--json").out)["summary"]["skipped"]
    assert {"reason": "bad-value", "rule": "field.employees", "times": 1} in told


def test_simulate_as_data(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    with gzip.open(tmp_path / "events.jsonl.gz", "wt") as file:
        file.write("\n".join(recorded()))
    told = json.loads(dripline("simulate", "events.jsonl.gz", "--json").out)
    ann, bob = told["leads"]
    assert (ann["identities"], ann["stage"], bob["stage"]) == ([ANN], "sales-qualified", "subscriber")
    assert [mail["template"] for mail in told["mails"]] == ["hello"]
    assert {each["kind"] for each in told["decisions"]} >= {"scored", "staged", "not_promoted", "sent"}
    assert told["summary"]["counts"]["duplicates"] == 1


BAD = {
    "{": "not JSON",
    "[1]": "not a JSON object",
    '{"type": "x", "email": "a@b.test"}': "no `occurred_at`",
    '{"type": "x", "occurred_at": "soon", "email": "a@b.test"}': "is no time",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00", "email": "a@b.test"}': "has no offset",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z"}': "nobody to whom it happened",
    '{"occurred_at": "2026-03-02T09:00:00Z", "email": "a@b.test"}': "no `type`",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z", "email": "a@b.test", "properties": []}': "not an object",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z", "identities": ["ann"]}': "kind:value",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z", "identities": 7}': "neither a list nor an object",
}


def test_lines_that_are_no_events_are_told_and_left_out(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    (tmp_path / "events.jsonl").write_text("\n".join([*BAD, "", *recorded()]))
    done = dripline("simulate", "events.jsonl")
    assert done.code == 0
    for number, (line_, why) in enumerate(zip(done.err.splitlines(), BAD.values(), strict=False), 1):
        assert line_.startswith(f"line {number}: ")
        assert why in line_
    assert f"{len(BAD)} of {len(BAD) + 4} lines are no events" in done.err


def test_simulate_reads_from_a_pipe(dripline: Dripline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(recorded()).encode())))
    assert dripline("simulate", "-").out.startswith("3 events of 2 leads")


def test_a_file_that_is_not_there(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    done = dripline("simulate", "nothing.jsonl")
    assert (done.code, "nothing.jsonl cannot be read" in done.err) == (1, True)


def test_an_export_of_the_log_is_simulated_alike(dripline: Dripline, tmp_path: Path, database: str):
    write(tmp_path)
    dripline("apply")
    happen(database)
    done = dripline("export")
    assert (done.code, done.err) == (0, "2 events.\n")
    (tmp_path / "log.jsonl").write_text(done.out)
    told = json.loads(dripline("simulate", "log.jsonl", "--json").out)
    assert [(lead["identities"], lead["stage"]) for lead in told["leads"]] == [([ANN], "lead")]
    assert told["summary"]["mails"] == [{"campaign": "welcome", "step": "send-hello", "template": "hello", "mails": 1}]
    assert dripline("export", "--until", "2020-01-01").err == "0 events.\n"


def test_a_masked_export_names_nobody_and_comes_to_the_same(dripline: Dripline, tmp_path: Path, database: str):
    personal = RULES["rules/fields.yaml"].replace("first_name: text", "first_name: {type: text, personal: true}")
    write(tmp_path, {"rules/fields.yaml": personal})
    dripline("apply")
    happen(database)
    plain, masked = dripline("export").out, dripline("export", "--masked").out
    assert "ann@acme.test" in plain
    assert "ann" not in masked
    assert "Ann" not in masked
    assert masked != dripline("export", "--masked").out
    rows = [json.loads(each) for each in masked.splitlines()]
    assert len({each["identities"][0] for each in rows}) == 1
    assert rows[0]["identities"][0].endswith("@acme.test")
    assert {each["lead"].get("first_name") for each in rows} == {None, "masked"}
    for name, text in (("plain", plain), ("masked", masked)):
        (tmp_path / f"{name}.jsonl").write_text(text)
    told = [json.loads(dripline("simulate", f"{name}.jsonl", "--json").out)["summary"] for name in ("plain", "masked")]
    assert told[0] == told[1]


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


# ── apply and rulebook ───────────────────────────────────────────────────────────────────────────────────────


def test_a_dry_run_without_a_database_says_so(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    done = dripline("apply", "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("There is no database to compare with, so everything is new.")
    assert "added    engagement.asked" in done.out


def test_a_dry_run_says_what_would_change_and_for_whom(dripline: Dripline, tmp_path: Path, database: str):
    write(tmp_path)
    assert "No rulebook is in force yet" in dripline("apply", "--dry-run").out
    dripline("apply", "-m", "the first")
    happen(database)
    assert "Nothing is different." in dripline("apply", "--dry-run").out
    scoring = (
        RULES["rules/scoring/engagement.yaml"]
        .replace("points: 40", "points: 50")
        .replace("  third-click", "  3rd-click")
        .replace("hot: {enter: 60, leave: 45}", "hot: {enter: 65, leave: 45}, boiling: {enter: 90, leave: 80}")
    )
    welcome = RULES["rules/campaigns/welcome.yaml"].replace("2 days", "3 days")
    write(tmp_path, {"rules/scoring/engagement.yaml": scoring, "rules/campaigns/welcome.yaml": welcome})
    done = dripline("apply", "--dry-run")
    assert "“the first”" in done.out
    for said in (
        "changed  rules/scoring/engagement.yaml",
        "changed  engagement.asked: points 40 → 50",
        "changed  engagement: bands hot enter 60 → 65, bands nothing → boiling",
        "added    engagement.3rd-click",
        "removed  engagement.third-click",
        "changed  welcome: steps wait-2-days → wait-3-days",
        "pin: keep to the version they entered",
        "1 lead would be counted anew",
        "Nothing was applied.",
    ):
        assert said in done.out
    told = json.loads(dripline("apply", "--dry-run", "--json").out)
    assert [(each["campaign"], each["people"], each["what"]) for each in told["fates"]] == [("welcome", 1, "pin")]
    assert (told["recounted"], told["looked_at"]) == (1, 0)


@pytest.mark.usefixtures("database")
def test_rules_whose_examples_do_not_hold_are_not_applied(dripline: Dripline, tmp_path: Path):
    write(tmp_path, {"rules/examples.yaml": WRONG})
    refused = dripline("apply")
    assert refused.code == 1
    assert "Nothing was applied." in refused.err
    assert "was ever applied" in dripline("rulebook", "list").out


def test_a_dry_run_says_who_would_have_been_promoted(dripline: Dripline, tmp_path: Path, database: str):
    write(tmp_path)
    dripline("apply")
    happen(database)
    ask = ("apply", "--dry-run")
    eager = RULES["rules/promotion.yaml"].replace("at: sales-qualified", "at: lead").replace("all: true", "any: true")
    write(tmp_path, {"rules/promotion.yaml": eager})
    done = dripline(*ask)
    for said in (
        "Over recorded history: 1 lead, 2 events until",
        "Promoted: 0 by the rules of now, 1 by the new ones",
        "1 more (1 open): ann@acme.test",
        "lead → opportunity  1  ann@acme.test",
        "is promoted                 1  ann@acme.test",
        "comes to stage opportunity  1  ann@acme.test",
    ):
        assert said in done.out
    told = json.loads(dripline(*ask, "--json").out)["impact"]
    assert told["promoted"]["more"]["leads"] == [{"lead": "ann@acme.test", "outcome": "open"}]
    assert json.loads(dripline(*ask, "--json", "--leads", "0").out)["impact"] is None
    assert "recorded history" not in dripline(*ask, "--leads", "0").out
    assert dripline("status").out.count("sales") == 0  # nothing was promoted in truth
    write(tmp_path, {"rules/promotion.yaml": RULES["rules/promotion.yaml"], "templates/hello/mail.html": "<p>Hi</p>"})
    assert "recorded history" not in dripline(*ask).out


def test_impact_looks_at_the_store_or_at_a_file(dripline: Dripline, tmp_path: Path, database: str):
    write(tmp_path)
    dripline("apply")
    happen(database)
    assert "Every lead would have come out the same." in dripline("impact").out
    eager = RULES["rules/promotion.yaml"].replace("at: sales-qualified", "at: lead").replace("all: true", "any: true")
    write(tmp_path / "new", {"rules/promotion.yaml": eager})
    stored = json.loads(dripline("impact", "new/rules", "--json", "--all").out)
    assert (stored["leads"], stored["of"], stored["promoted"]["after"]) == (1, 1, 1)
    assert json.loads(dripline("impact", "rules", "--against", "new/rules", "--json").out)["promoted"]["after"] == 0
    assert dripline("impact", "new/rules", "--against", version_of(RULES)[:9], "--leads", "1").code == 0
    (tmp_path / "log.jsonl").write_text(dripline("export").out)
    of_file = dripline("impact", "new/rules", "--events", "log.jsonl", "--against", "rules", "--json")
    assert json.loads(of_file.out)["promoted"]["more"] == stored["promoted"]["more"]
    assert "--against names the folder" in dripline("impact", "--events", "log.jsonl").err
    (tmp_path / "log.jsonl").write_text("")
    assert "holds no events" in dripline("impact", "--events", "log.jsonl", "--against", "rules").err
    assert "no version begins with zz" in dripline("impact", "--against", "zz").err


def test_rules_that_would_strand_leads_are_refused_until_they_say_what_the_stage_is_called_now(
    dripline: Dripline, tmp_path: Path, database: str
):
    write(tmp_path)
    dripline("apply")
    happen(database)
    renamed = {path: text.replace("lead:", "known:") for path, text in RULES.items() if path == "rules/lifecycle.yaml"}
    write(tmp_path, renamed)
    assert "Would be refused: 1 lead stands at stage `lead`" in dripline("apply", "--dry-run").out
    refused = dripline("apply")
    assert (refused.code, refused.err) == (1, "Nothing was applied.\n")
    assert "write `was: lead` at the stage that takes its place" in refused.out
    assert json.loads(dripline("apply", "--json").out)["stranded"] == {"lead": 1}
    write(tmp_path, {path: text.replace("known: {", "known: {was: lead, ") for path, text in renamed.items()})
    assert dripline("apply").code == 0
    back = dripline("rulebook", "rollback", version_of(RULES)[:8])
    assert back.code == 0


@pytest.mark.usefixtures("database")
def test_versions_are_listed_shown_and_put_back(dripline: Dripline, tmp_path: Path):
    first = version_of(RULES)
    write(tmp_path)
    dripline("apply", "-m", "first", "--author", "nora")
    write(tmp_path, {"rules/more.yaml": "source: typeform\n"})
    dripline("apply", "-m", "second")
    listed = dripline("rulebook", "list").out.splitlines()
    assert listed[1].startswith("in force")
    assert "second" in listed[1]
    assert "nora    first" in " ".join(listed[2].split("  ")) or "nora" in listed[2]
    assert "rules/scoring/fit.yaml" in dripline("rulebook", "show", first[:8]).out
    assert dripline("rulebook", "show", first[:8], "rules/segments.yaml").out == RULES["rules/segments.yaml"]
    assert "did you mean rules/segments.yaml?" in dripline("rulebook", "show", first[:8], "rules/segment.yaml").err
    assert f"Version {first[:12]} is in force again" in dripline("rulebook", "rollback", first[:6]).out
    assert f"Version {first[:12]} is in force already" in dripline("rulebook", "rollback", first[:6]).out
    assert "no version begins with zz" in dripline("rulebook", "rollback", "zz").err
    assert json.loads(dripline("rulebook", "list", "--json").out)[0]["message"] == f"rollback to {first[:12]}"


# ── explain ──────────────────────────────────────────────────────────────────────────────────────────────────


def happen(database: str) -> None:
    engine = connect(database)
    now = datetime.now(UTC)
    told = {"employees": 250, "first_name": "Ann"}
    with engine.begin() as conn:
        batch = [
            NewEvent("p", "1", "form.submitted", now, ANN, (ANN,), {"form": "newsletter"}, told),
            NewEvent("p", "2", "form.submitted", now, ANN, (ANN,), {"form": "demo"}),
        ]
        events.append(conn, batch, now)
    process_slice(engine, slice_of(ANN), Rulebooks(compile_rulebook), lambda: now)
    engine.dispose()


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

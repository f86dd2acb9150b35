"""`dripline apply`, `impact` and `rulebook`, used as from a shell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.workers.cli.folders import WRONG, happen, write
from tests.workers.reports.bundles import RULES
from workers.rulebook import version_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.cli.conftest import Dripline


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

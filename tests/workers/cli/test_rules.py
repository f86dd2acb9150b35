from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.folders import write_files
from tests.workers.rulebooks import BUNDLE
from workers.rulebook import version_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.cli.conftest import Dripline

VERSION = version_of(BUNDLE)


@pytest.fixture
def broken(tmp_path: Path) -> None:
    write_files(
        tmp_path, BUNDLE | {"rules/scoring/fit.yaml": "score: fit\nrules:\n  a: {when: lead.emploees > 1, points: 3}\n"}
    )


def test_rules_without_problems(dripline: Dripline, tmp_path: Path):
    write_files(tmp_path, BUNDLE)
    done = dripline("check")
    assert (done.code, done.out) == (0, f"{len(BUNDLE)} files, no problems. Version {VERSION[:12]}.\n")


@pytest.mark.usefixtures("broken")
def test_a_problem_names_its_place_and_the_way_out(dripline: Dripline):
    done = dripline("check", "rules")
    assert done.code == 1
    assert "rules/scoring/fit.yaml:3:" in done.out
    assert "employees" in done.out
    assert "problem" in done.err


@pytest.mark.usefixtures("broken")
def test_problems_as_data(dripline: Dripline):
    done = dripline("check", "--format", "json")
    found = json.loads(done.out)
    assert (done.code, found["version"]) == (1, None)
    assert {"file", "line", "column", "code", "text", "hint", "level"} == set(found["problems"][0])


def test_places_are_given_as_they_are_on_disk(dripline: Dripline, tmp_path: Path):
    write_files(tmp_path / "marketing", BUNDLE | {"rules/account.yaml": "accuont: {}\n"})
    done = dripline("check", "marketing/rules")
    assert done.out.startswith("marketing/rules/account.yaml:1:1: ")


def test_a_file_that_is_no_text_does_not_hide_the_rest(dripline: Dripline, tmp_path: Path):
    fit = "score: fit\nrules:\n  a: {when: lead.employees = 1, points: 3}\n  b: {when: lead.size > 1, points: 3}\n"
    write_files(tmp_path, BUNDLE | {"rules/scoring/fit.yaml": fit})
    (tmp_path / "rules" / "fields.yaml").write_bytes(b"fields:\n  size: \xff\n")
    done = dripline("check")
    assert [each.split(" ")[:2] for each in done.out.splitlines()] == [
        ["rules/fields.yaml:2:9:", "not-utf-8:"],
        ["rules/scoring/fit.yaml:3:28:", "expression:"],
    ]
    assert "Nothing was applied." in dripline("apply").err


def test_a_folder_that_is_not_there(dripline: Dripline):
    done = dripline("check", "nowhere")
    assert done.code == 1
    assert "nowhere" in done.out


@pytest.mark.usefixtures("database")
def test_applied_rules_are_in_force_until_others_are(dripline: Dripline, tmp_path: Path):
    write_files(tmp_path, BUNDLE)
    assert dripline("apply", "-m", "first").out == f"Version {VERSION[:12]} is in force now.\n"
    assert dripline("apply").out == f"Version {VERSION[:12]} is in force already.\n"
    (tmp_path / "rules" / "extra.yaml").write_text("source: typeform\n")
    second = json.loads(dripline("apply", "--json").out)
    assert (second["before"], second["changed"]) == (VERSION, True)
    (tmp_path / "rules" / "extra.yaml").unlink()
    assert f"(before: {second['version'][:12]})" in dripline("apply").out


@pytest.mark.usefixtures("database", "broken")
def test_rules_with_problems_are_not_applied(dripline: Dripline):
    refused = dripline("apply")
    assert refused.code == 1
    assert "rules/scoring/fit.yaml:3:" in refused.out
    assert "Nothing was applied." in refused.err
    assert "none yet" in dripline("status").out


@pytest.mark.usefixtures("database")
def test_adapters_and_options_that_do_not_exist_are_not_applied(dripline: Dripline, tmp_path: Path):
    write_files(tmp_path, BUNDLE | {"rules/sources/product.yaml": "source: product\nadapter: standard\nidentiy: {}\n"})
    for command in ("check", "apply"):
        refused = dripline(command)
        assert refused.code == 1
        assert refused.out.startswith("rules/sources/product.yaml:3:1: bad-option: ")
    assert "none yet" in dripline("status").out

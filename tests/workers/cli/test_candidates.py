"""`dripline candidates` as from a shell, on a real database."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from tests.workers.candidates import QUIET, candidates
from tests.workers.company import Company

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from tests.workers.cli.conftest import Dripline


@pytest.fixture(autouse=True)
def company(engine: Engine, database: str) -> Company:
    assert database
    return candidates(engine)


def test_it_shows_what_is_missing_and_who_is_nearest(dripline: Dripline) -> None:
    shown = dripline("candidates").out
    assert shown.startswith(
        "4 candidates for promotion, 2 of which lack one thing only.\n"
        "Wanted from the stage lead on: `when`, and 2 of size, budget, need.\n"
    )
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert 'when score("engagement") >= 30 3 1' in lines
    assert "Leads that lack something: 4" in lines
    assert "Leads that lack something: the nearest 2 of 4" in dripline("candidates", "--limit", "2").out
    assert any(line.startswith("one@acme.test lead 1 of budget, need 40") for line in lines)
    assert any(line.startswith("two@acme.test lead when; 1 of budget, need ") for line in lines)


def test_one_thing_alone(dripline: Dripline) -> None:
    lines = dripline("candidates", "--missing", "budget").out.splitlines()
    assert "Leads that lack just budget: 1" in lines
    assert "Nobody lacks just size." in dripline("candidates", "--missing", "size").out
    wrong = dripline("candidates", "--missing", "bugdet")
    assert (wrong.code, "did you mean budget?" in wrong.err) == (2, True)


def test_as_data(dripline: Dripline) -> None:
    data: dict[str, Any] = json.loads(dripline("candidates", "--json", "--limit", "1").out)
    assert (data["leads"], data["lacks"][0]["alone"]) == (4, 1)
    assert data["groups"][0] == {"missing": ["budget", "need"], "short": 1, "leads": 1}
    (one,) = data["nearest"]
    assert (one["lead"], one["missing"], round(one["scores"]["engagement"])) == (
        "one@acme.test", ["budget", "need"], 40
    )  # fmt: skip


def test_as_csv_all_of_them(dripline: Dripline, tmp_path: Path, engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE leads SET email = '=cmd()@acme.test' WHERE email = 'one@acme.test'"))
    done = dripline("candidates", "--csv", "all.csv", "--limit", "1")
    assert (done.code, done.err) == (0, "4 leads.\n")
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["lead"], row["short"], row["missing"]) for row in rows][:2] == [
        ("'=cmd()@acme.test", "1", "budget need"), ("four@acme.test", "1", "when")
    ]  # fmt: skip


def test_nobody_at_all(dripline: Dripline, engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE leads SET missing = NULL"))
    shown = dripline("candidates").out
    assert shown.startswith("0 candidates for promotion")
    assert shown.endswith("need.\nNobody stands there and lacks something.\n")
    assert json.loads(dripline("candidates", "--json").out)["nearest"] == []


def test_rules_that_promote_nobody(dripline: Dripline, engine: Engine) -> None:
    keys = json.loads(dripline("candidates", "--json").out).keys()
    Company(engine, QUIET, promotion="segments: {big: lead.employees > 5}\n")
    assert dripline("candidates").out == "The rules in force promote nobody: dripline docs promote\n"
    data = json.loads(dripline("candidates", "--json").out)
    assert (data.keys(), data["stage"], data["nearest"]) == (keys, None, [])


def test_status_tells_of_them(dripline: Dripline) -> None:
    assert "; 4 candidates: dripline candidates" in dripline("status").out
    told = json.loads(dripline("status", "--json").out)["candidates"]
    assert (told["leads"], told["missing"]["when"], told["missing"]["size"]) == (4, 3, 1)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.workers.cli.conftest import Dripline


def test_what_is_written_has_no_mistake_and_its_examples_hold(dripline: Dripline, tmp_path: Path):
    done = dripline(
        "init", "--company", 'Ann & Ben\'s "Shop"', "--sender", "Ann <ann@acme.test>", "--zone", "Asia/Tokyo"
    )
    assert done.code == 0
    assert "rules/interest.yaml" in done.out
    assert (tmp_path / "templates/welcome/hello/mail.txt").exists()
    checked = dripline("check", "--strict")
    assert (checked.code, "no problems" in checked.out) == (0, True)
    assert dripline("test").code == 0


def test_a_folder_is_made_and_nothing_in_it_is_overwritten(dripline: Dripline, tmp_path: Path):
    assert "cd acme" in dripline("init", "acme").out
    (tmp_path / "acme/rules/account.yaml").write_text("mine")
    again = dripline("init", "acme")
    assert (again.code, "nothing is overwritten" in again.err) == (1, True)
    assert (tmp_path / "acme/rules/account.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "says"), [(["--zone", "Tokyo/Asia"], "unknown-zone"), (["--sender", "Ann"], "bad-address")]
)
def test_values_that_the_rules_would_refuse_are_refused_before_anything_is_written(
    dripline: Dripline, tmp_path: Path, arguments: list[str], says: str
):
    done = dripline("init", *arguments)
    assert (done.code, says in done.err) == (1, True)
    assert list(tmp_path.iterdir()) == []

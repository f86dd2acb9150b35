from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.rulebook.mail.lint import Known, lint

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "lint.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    site = case.get("site", "https://a.test")
    known = Known({"company": "text", "website": "url", "email": "email"}, ["welcome"], site)
    files = {f"templates/a/mail.{kind}": case[kind] for kind in ("html", "mjml") if kind in case}
    found = sorted(lint(files, known))
    shown = [f"{each.line}:{each.column} {each.level} {each.code}" for each in found]
    assert shown == [place for place, _ in case.get("problems", [])], "\n" + "\n".join(map(str, found))
    for each, (_, word) in zip(found, case.get("problems", []), strict=True):
        assert word in f"{each.text}; {each.hint}"


def test_texts_and_attached_files_are_no_markup() -> None:
    assert not list(lint({"templates/a/mail.txt": "<img>", "templates/a/x.csv": "data:;base64,"}, Known()))

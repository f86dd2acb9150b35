from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workers.rulebook.mail.plain import plain, tidied

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "plain.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert tidied(plain(case["html"])) == case["text"]


PIECES = st.sampled_from([
    "<p>", "</p>", "<ul>", "</ul>", "<ol>", "<li>", "</li>", "<a href='https://a.test'>", "</a>", "<h1>", "</h1>",
    "<br>", "<table>", "<tr>", "<td>", "</td>", "</tr>", "</table>", "<div style='display:none'>", "</div>",
    "<blockquote>", "</blockquote>", "<pre>", "</pre>", "<img alt='x'>", "<style>", "</style>", "<!--", "-->", " ",
    "\n", "&amp;", "<", "word",
])  # fmt: skip


@given(st.lists(PIECES, max_size=40))
def test_no_markup_is_too_broken(pieces: list[str]) -> None:
    text = tidied(plain("".join(pieces)))
    assert "\n\n\n" not in text
    assert text.endswith("\n")

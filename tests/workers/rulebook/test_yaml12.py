"""The YAML loader: cases as data, bombs, and anything at all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.rulebook import yaml12
from workers.rulebook.nodes import Listing, Mapped, Scalar
from workers.rulebook.problems import Place, Problems
from workers.rulebook.yaml12 import read_yaml

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "yaml.yaml").read_text("utf-8"))


def loaded(text: str):
    problems = Problems()
    node = read_yaml("f.yaml", text, problems)
    assert all(found.hint for found in problems.found()), "every finding says what to do"
    return node, [f"{found.line}:{found.column} {found.code}" for found in problems.found()]


@pytest.fixture(params=["libyaml", "pure Python"])
def parser(request, monkeypatch):
    monkeypatch.setattr(yaml12, "PARSER", yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader)
    return request.param


@pytest.mark.parametrize("case", CASES, ids=[repr(case["text"]) for case in CASES])
def test_case(case):
    node, problems = loaded(case["text"])
    assert problems == case.get("problems", [])
    if "value" in case:
        assert node.plain == case["value"]
        assert repr(node.plain) == repr(case["value"])  # 1 is not true, and 1.0 is not 1
    else:
        assert node is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[" * 500_000, "too-deep"),
        ("{a: " * 200_000, "too-deep"),
        ("- " * 400_000, "too-deep"),
        ("- &k0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"- &k{n + 1} [{f'*k{n},' * 9}]\n" for n in range(9)), "too-large"),
        ("a: &a x\nb: [" + "*a," * 101 + "]", "yaml-alias"),
        ("a: &x " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*x" + "]" * 30, "too-deep"),
        ("x" * 1_000_001, "too-large"),
        ("é" * 500_001, "too-large"),
        ("- a\n" * 100_001, "too-large"),
        ("a: " + "9" * 900_000, None),
        ("%YAML 1." + "9" * 10_000 + "\n---\na: 1", "yaml-syntax"),
        ('a: "\\UFFFFFFFF"', "yaml-syntax"),
        ("\ud800", "yaml-character"),
    ],
    ids=lambda value: str(value)[:20].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_bombs(text, code, parser):
    if parser != "libyaml" and len(text) > 300_000 and not text.startswith(("[", "{", "-", "x", "é")):
        text = text[:10_000]
    started = time.process_time()
    _, problems = loaded(text)
    assert time.process_time() - started < 10
    assert [problem.split()[-1] for problem in problems] == ([code] if code else [])


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        ("a: lead.x > 5", 7, "1:11"),
        ("a: 'lead.x > 5'", 7, "1:12"),
        ("a: 'it''s lead.x'", 5, "1:4"),
        ("a: |\n    lead.x and\n    lead.y", 15, "3:9"),
        ("a: >-\n    lead.x and\n    lead.y", 15, "1:4"),
    ],
)
def test_places_inside_a_value(text, offset, place):
    node, _ = loaded(text)
    assert str(node.entries["a"].place_of(offset)) == f"f.yaml:{place}"


def test_lines_count_from_where_the_text_begins():
    problems = Problems()
    node = read_yaml("mail.txt", "subject: x", problems, first_line=2)
    assert node.entries["subject"].place == Place("mail.txt", 2, 10)


def check_places(node, lines):
    assert 1 <= node.place.line <= lines + 1
    assert node.place.column >= 1
    for child in {Scalar: (), Listing: getattr(node, "items", ()), Mapped: getattr(node, "entries", {}).values()}[
        type(node)
    ]:
        check_places(child, lines)


YAML_SOUP = st.lists(
    st.sampled_from(
        [*"-?:,[]{}#&*!|>'\"%@`~<= \n\té\x85", "\n  ", "a", "true", "01", "&a", "*a", "<<", "---", "!!int", "|\n "]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@settings(max_examples=500, deadline=2_000)
@given(st.one_of(st.text(max_size=80), YAML_SOUP), st.sampled_from([yaml.CSafeLoader, yaml.SafeLoader]))
def test_any_text_gives_a_tree_or_a_problem(text, loader):
    before, yaml12.PARSER = yaml12.PARSER, loader
    try:
        node, problems = loaded(text)
    finally:
        yaml12.PARSER = before
    assert node is not None or problems
    if node is not None:
        check_places(
            node,
            text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 1,
        )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=300, deadline=2_000)
@given(JSON)
def test_what_yaml_writes_is_read_back(value):
    node, problems = loaded(yaml.safe_dump(value))
    assert problems == []
    assert node.plain == value

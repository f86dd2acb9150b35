"""Fields that a template uses although they may be missing, against what rendering says."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.delivery.templates import Templates
from workers.exceptions import RenderError
from workers.rulebook.guards import unguarded
from workers.rulebook.sandbox import Fields

FIELDS = ("name", "size")


SEGMENTS = {"named": frozenset({"name"}), "whole": frozenset({"name", "size"}), "any": frozenset[str]()}


def found(text: str, **more: str) -> list[tuple[int, str, bool]]:
    return [(use.line, use.field, use.certain) for use in unguarded("mail", {"mail": text, **more}, FIELDS, SEGMENTS)]


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("{{ lead.name }}", [(1, "name", True)]),
        ('\n{{ lead["name"] }} {{ lead.size }}', [(2, "name", True), (2, "size", True)]),
        ("{{ lead.email }} {{ account.name }} {{ lead.other }}", []),
        ('{{ lead.name | default("you") }} {{ lead.size | d(0) }}', []),
        ('{{ lead.name | title | default("you") }}', [(1, "name", True)]),
        ("{{ lead.name | default(lead.size) }}", [(1, "size", True)]),
        ("{% if lead.name is defined %}{{ lead.name }}{% endif %}", []),
        ("{% if segment('named') %}{{ lead.name }}{{ lead.size }}{% endif %}", [(1, "size", False)]),
        ("{% if segment('whole') and x %}{{ lead.name }}{{ lead.size }}{% endif %}", []),
        ("{% if not segment('whole') or segment('any') %}{{ lead.name }}{% endif %}", [(1, "name", False)]),
        ("{% if not segment('named') %}-{% else %}{{ lead.name }}{% endif %}", []),
        ("{% if band('whole') or segment(x) or segment() %}{{ lead.name }}{% endif %}", [(1, "name", False)]),
        ("{% if lead.name is defined %}{{ lead.size }}{% endif %}", [(1, "size", False)]),
        ("{% if lead.name is not defined %}{{ lead.name }}{% else %}{{ lead.name }}{% endif %}", [(1, "name", False)]),
        ("{% if lead.name is undefined %}you{% elif lead.name == 'Ann' %}{{ lead.name }}{% endif %}", []),
        ("{% if lead.name %}you{% endif %}", [(1, "name", True)]),
        ("{% if lead.name is defined and lead.name == 'Ann' %}{{ lead.name }}{% endif %}", []),
        ("{% if lead.name is defined or lead.size is defined %}{{ lead.name }}{% endif %}", [(1, "name", False)]),
        ("{% if not (lead.name is undefined or lead.size is undefined) %}{{ lead.name ~ lead.size }}{% endif %}", []),
        ("{{ lead.name if lead.name is defined else lead.size }}", [(1, "size", False)]),
        ("{{ lead.name or 'you' }}", [(1, "name", True)]),
        ("{{ 'you' or lead.name }}", [(1, "name", False)]),
        ("{% for x in [1] %}{{ lead.name }}{% endfor %}", [(1, "name", False)]),
        ("{% for x in lead.name %}{% endfor %}", [(1, "name", True)]),
        ("{% set n = lead.name %}{{ n | default('you') }}", []),
        ("{% set known = lead.name is defined %}{% if known %}{{ lead.name }}{% endif %}", []),
        ("{% set n = lead.name | upper %}", [(1, "name", True)]),
        ("{% macro m() %}{{ lead.name }}{% endmacro %}", [(1, "name", False)]),
        ("{{ lead.name is none }}{{ lead.name is defined }}", []),
        ("{{ lead.name is divisibleby 3 }}", [(1, "name", True)]),
        ("{{ [lead.name, {'a': lead.size}] | length }}", [(1, "name", True), (1, "size", True)]),
        ("{% broken", []),
    ],
)  # fmt: skip
def test_uses_without_a_guard(text, uses):
    assert found(text) == uses


def test_what_is_included_is_behind_the_same_guards():
    part = {"part": "{{ lead.name }}\n{{ lead.size }}", "base": "{{ lead.size }}{% include 'mail' %}"}
    assert found("{% if lead.name is defined %}{% include 'part' %}{% endif %}", **part) == [(2, "size", False)]
    assert found("{% include 'part' %}{% include 'nowhere' %}{% include x %}", **part) == [
        (1, "name", True), (2, "size", True),
    ]  # fmt: skip
    assert found("{% extends 'base' %}", **part) == [(1, "size", True)]


LEAVES = st.sampled_from([
    "{{ lead.name }}", "{{ lead.size }}", "{{ lead.name | default('x') }}", "{% set n = lead.size %}", "text",
])  # fmt: skip
TESTS = st.recursive(
    st.sampled_from(
        [
            "lead.name is defined",
            "lead.size is undefined",
            "lead.name is not defined",
            "true",
            "false",
            "segment('named')",
            "segment('whole')",
        ]
    ),
    lambda tests: st.one_of(
        st.tuples(tests, st.sampled_from(["and", "or"]), tests).map(lambda each: f"({' '.join(each)})"),
        tests.map("(not {})".format),
    ),
    max_leaves=4,
)
TEXTS = st.recursive(
    LEAVES,
    lambda texts: st.one_of(
        st.tuples(texts, texts).map("".join),
        st.tuples(TESTS, texts, TESTS, texts, texts).map(
            lambda e: f"{{% if {e[0]} %}}{e[1]}{{% elif {e[2]} %}}{e[3]}{{% else %}}{e[4]}{{% endif %}}"
        ),
        st.tuples(TESTS, st.sampled_from(["lead.name", "lead.size", "'x'"])).map(
            lambda e: f"{{{{ {e[1]} if {e[0]} else 'y' }}}}"
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(TEXTS)
def test_a_template_without_a_finding_renders_for_every_lead(text):
    """And one with a certain use does not render for a lead of whom nothing is known."""
    uses = unguarded("a/note.txt", {"a/note.txt": text}, FIELDS, SEGMENTS)
    templates = Templates({"a/note.txt": text})
    failed = []
    for known in product([None, "x"], repeat=2):
        lead = {name: value for name, value in zip(FIELDS, known, strict=True) if value}
        try:
            inside = {"segment": lambda name, lead=lead: SEGMENTS[name] <= lead.keys()}
            templates.note("a", {"lead": Fields("lead", lead), **inside})
        except RenderError:
            failed.append(lead)
    assert uses or not failed
    if any(use.certain for use in uses):
        assert {} in failed

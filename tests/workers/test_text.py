"""A hint is given only where it is really near."""

from __future__ import annotations

from zoneinfo import available_timezones

import pytest

from workers.text import nearest, slips, suggestion

WORDS = ("account", "campaign", "score", "source", "first_name", "employees", "boolean", "email.replied", "half_life")


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("acount", "account"), ("employes", "employees"), ("emplyoees", "employees"), ("half-life", "half_life"),
        ("bool", "boolean"), ("name", "first_name"), ("email.reply", "email.replied"), ("Score", "score"),
        ("company", None), ("stage", None), ("x", None), ("", None), ("of", None), ("employees" * 100, None),
    ],
)  # fmt: skip
def test_the_nearest_word(wrong, right):
    assert nearest(wrong, WORDS) == right


def test_a_part_of_a_name_is_enough():
    assert nearest("Berlin", available_timezones()) == "Europe/Berlin"


def test_two_letters_that_changed_places_are_one_slip():
    assert (slips("sned", "send"), slips("send", "sent"), slips("", "ab"), slips("abc", "abc")) == (1, 1, 2, 0)


def test_what_is_not_near_is_listed_or_declared():
    assert suggestion("x", ["b", "a"]) == "there is a, b"
    assert suggestion("x", ["b", "a"], "lead.{}", "declare it") == "declare it; there is lead.a, lead.b"
    assert suggestion("x", [], declare="declare it") == "declare it"
    assert suggestion("x", map(str, range(9))) == ""

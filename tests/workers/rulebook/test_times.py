"""Times of day, dates, zones, countries, schedules, quiet hours: how they are written, and what they are read as."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine.hours import WORKING_WEEK, Calendar, Quiet, Schedule
from workers.rulebook.json_schema import Writer
from workers.rulebook.problems import Problems
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.shape import Shape, about
from workers.rulebook.yaml12 import read_yaml


@dataclass(frozen=True)
class Asked(Shape):
    """A declaration that names the engine's types."""

    at: time | None = None
    on: date | None = None
    every: Schedule | None = None
    quiet: Quiet | None = None
    business: Calendar = field(default=WORKING_WEEK, metadata=about("days"))


def told(text: str) -> tuple[Any, list[str]]:
    """What is read, and what is wrong with it."""
    problems = Problems()
    node = read_yaml("rules/x.yaml", text, problems)
    value = Reader(problems).read(node, Asked, "asked")
    return value, [f"{each.line}:{each.column} {each.code} {each.text}; {each.hint}" for each in problems.found()]


MONDAY, THURSDAY = 0, 3


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("at", "08:30", time(8, 30)),
        ("at", '"00:00"', time(0)),
        ("at", "23:59", time(23, 59)),
        ("on", "2026-12-24", date(2026, 12, 24)),
        ("every", "day 08:30", Schedule(time(8, 30))),
        ("every", "day at 08:30", Schedule(time(8, 30))),
        ("every", "monday 09:00", Schedule(time(9), frozenset({MONDAY}))),
        ("every", "mon, thu 09:00", Schedule(time(9), frozenset({MONDAY, THURSDAY}))),
        ("every", "monday and thursday at 09:00", Schedule(time(9), frozenset({MONDAY, THURSDAY}))),
        ("every", "month on 1 at 09:00", Schedule(time(9), None, 1)),
        ("every", "month on last at 09:00", Schedule(time(9), None, 31)),
        ("quiet", '{from: "20:00", to: "08:00", zone: lead}', Quiet(time(20), time(8), "lead")),
        ("quiet", "{from: 20:00, to: 08:00}", Quiet(time(20), time(8), "lead")),
        ("quiet", "{from: 20:00, to: 08:00, zone: Asia/Tokyo}", Quiet(time(20), time(8), "Asia/Tokyo")),
        ("business", "{}", WORKING_WEEK),
        (
            "business",
            "{days: [sun, monday], holidays: [DE-BY, lead], closed: 2026-12-24}",
            Calendar(frozenset({6, 0}), ("DE-BY", "lead"), extra=frozenset({date(2026, 12, 24)})),
        ),
    ],
)
def test_the_engines_values_are_read(key: str, text: str, expected: object) -> None:
    value, problems = told(f"{key}: {text}")
    assert problems == []
    assert getattr(value, key) == expected


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("at", "8:30", 'wrong-type `at` wants a time of day, this is the text "8:30"; write it with two digits'),
        ("at", "24:00", "wrong-type"),
        ("at", "8pm", "wrong-type"),
        ("at", "830", "wrong-type `at` wants a time of day, this is the number"),
        ("on", "2026-02-29", "wrong-type `on` wants a date"),
        ("on", "soon", "wrong-type"),
        ("every", "hour", "wrong-type `every` wants a schedule"),
        ("every", "monday", "wrong-type"),
        ("every", "Monday 09:00", "wrong-type"),
        ("every", "month on 32 at 09:00", "wrong-type"),
        ("every", "day 09:00 09:00", "wrong-type"),
        ("quiet", "20:00-08:00", "wrong-type"),
    ],
)
def test_others_are_refused_where_they_stand(key: str, text: str, problem: str) -> None:
    value, (found,) = told(f"{key}: {text}")
    assert found.startswith(f"1:{len(key) + 3} {problem}")
    assert value is not BAD  # the rest of a file is still looked at


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{from: 20:00}", "1:8 missing-key the key `to` is missing"),
        ("{from: 20:00, to: 20:00}", "1:26 never-quiet they begin and end at 20:00"),
        ("{from: 20:00, to: 08:00, zone: Europe/Berln}", "1:39 unknown-zone `zone` wants a time zone"),
        ("{from: 20:00, to: 08:00, zone: leed}", "1:39 unknown-zone `zone` wants a time zone"),
        ("{from: 20:00, to: 08:00, until: 9}", "1:33 unknown-key `quiet` has no key `until`"),
    ],
)
def test_quiet_hours_that_make_no_sense(text: str, problem: str) -> None:
    _, (found,) = told(f"quiet: {text}")
    assert found.startswith(problem)


def test_a_misspelt_zone_is_known() -> None:
    assert told("quiet: {from: 20:00, to: 08:00, zone: Europe/Berln}")[1][0].endswith("did you mean `Europe/Berlin`?")
    assert told("quiet: {from: 20:00, to: 08:00, zone: leed}")[1][0].endswith("did you mean `lead`?")


SCHEDULES = st.builds(Schedule, st.times().map(lambda at: at.replace(second=0, microsecond=0))) | st.builds(
    Schedule,
    st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    st.frozensets(st.integers(0, 6), min_size=1),
)
MONTHLY = st.builds(Schedule, st.just(time(9)), st.none(), st.integers(1, 31))


@given(SCHEDULES | MONTHLY)
def test_a_schedule_says_itself_as_it_is_written(schedule: Schedule) -> None:
    assert told(f"every: {schedule}")[0].every == schedule


def test_quiet_hours_say_themselves() -> None:
    assert str(Quiet(time(20), time(8, 30))) == "20:00 to 08:30"


def test_editors_know_how_they_are_written() -> None:
    writer = Writer()
    writer.of(Asked)
    keys = writer.definitions["Asked"]["properties"]
    assert keys["at"]["pattern"] == r"^\s*([01][0-9]|2[0-3]):[0-5][0-9]$"
    assert keys["quiet"] == {"$ref": "#/$defs/QuietHours"}
    assert set(writer.definitions["QuietHours"]["properties"]) == {"from", "to", "zone"}
    assert writer.definitions["Business"]["properties"]["days"]["items"]["enum"][:2] == ["mon", "tue"]

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.log import get_logger
from workers.outage import QUIET, Outage

if TYPE_CHECKING:
    import pytest


class Stopwatch:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_outage_is_a_line_when_it_begins_one_a_minute_and_one_when_it_ends(caplog: pytest.LogCaptureFixture):
    watch = Stopwatch()
    outage = Outage(get_logger("workers"), "store_unavailable", "store_back", monotonic=watch)
    caplog.set_level("INFO")
    outage.answered()
    assert not outage.lasts
    for _ in range(10):
        outage.failed(OSError("no route"), operation="ping")
        watch.now += 1
    assert outage.lasts
    watch.now += QUIET
    outage.failed("no route")
    outage.answered()
    outage.answered()
    told = [(record.getMessage(), vars(record)["fields"]) for record in caplog.records]
    assert told == [
        ("store_unavailable", {"error": "no route", "failures": 1, "for_s": 0, "operation": "ping"}),
        ("store_unavailable", {"error": "no route", "failures": 11, "for_s": 70}),
        ("store_back", {"failures": 11, "for_s": 70.0}),
    ]
    outage.failed("again")
    assert caplog.records[-1].getMessage() == "store_unavailable"

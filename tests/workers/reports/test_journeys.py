"""Every kind of decision that a campaign makes has words, whatever its cases on the virtual clock lead to."""

from __future__ import annotations

import re

import pytest

from tests.workers.simulate.test_campaigns import CASES, played
from workers.reports.journeys import JOURNEYS
from workers.reports.story import Line
from workers.reports.words import WORDINGS, sentence


def lines() -> list[Line]:
    return [
        Line(each.at, None, each.kind, each.rule, "v", None, None, each.detail)
        for case in CASES
        for _, each in played(case).decisions
    ]


LINES = lines()


def test_no_detail_is_told_as_it_is_stored():
    told = {line.kind: sentence(line) for line in LINES}
    assert set(told) <= set(WORDINGS)
    assert set(JOURNEYS) - set(told) <= {"measured", "moved", "resumed"}
    assert not [text for text in told.values() if re.search(r"run \d|\{|None", text)]


@pytest.mark.parametrize(
    "text",
    [
        "test.send-a: held back (quiet hours or a day off) until (time)",
        "more.send-b: mail b to the outbox",
        "less.send-a: held back (the cap of 1 marketing mail in 1 day is full) until (time)",
        "test.wait-until-email-clicked: until (time) at the latest, for email.clicked",
        "test.wait-until-email-clicked: what it waited for is there: email.clicked",
        "test.wait-until-email-clicked: it has not happened in time",
        "test.branch: way 1, because lead.employees >= 1000",
        "test.branch: way else",
        "test.branch: no condition holds, so it goes on",
        "test.split: arm all",
        "test.wait-date-renewal: the date has come (renewal)",
        "test.wait-date-renewal: there is no date (renewal)",
        "test.set-field-mood: mood becomes good",
        "test.set-field-country: it is so already (field country, value DE)",
        "test.add-score-engagement: +15 engagement",
        "one.stage-opportunity: puts it into stage opportunity",
        "one.enter-campaign-two: lets it into two",
        "one.exit-campaign-two: takes it out of two",
        "test.promote: looks whether it can be promoted",
        "test.notify-tries: ops@acme.example is told",
        "test.notify-now: max@acme.example is told",
        "test.on_reply: ops@acme.example is told",
        "test.send-b: held back (somebody who has written back hears from a person first) until (time)",
        "test.webhook-signed: trial.begun for signed to the outbox",
        "test.send-a: mail a not sent (no-email)",
    ],
)
def test_they_read_like_this(text: str):
    assert text in {re.sub(r"20[0-9-]+ [0-9:]+", "(time)", sentence(line)) for line in LINES}

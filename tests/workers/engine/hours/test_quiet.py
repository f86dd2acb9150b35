from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from tests.workers.engine.hours.changes import CHANGING, CLOCKS, DAY, MINUTE, PLACES, changes
from workers.engine.hours import Quiet, after_quiet, zone_by, zone_of

NIGHT = Quiet(time(20), time(8))


@pytest.mark.parametrize(
    ("quiet", "zone", "at", "expected"),
    [
        (NIGHT, "Europe/Berlin", "2026-03-04 18:59", "2026-03-04 18:59"),
        (NIGHT, "Europe/Berlin", "2026-03-04 19:00", "2026-03-05 07:00"),
        (NIGHT, "Europe/Berlin", "2026-03-05 06:59", "2026-03-05 07:00"),
        (NIGHT, "Europe/Berlin", "2026-03-05 07:00", "2026-03-05 07:00"),
        (NIGHT, "Europe/Berlin", "2026-03-28 19:00", "2026-03-29 06:00"),  # a night of eleven hours
        (NIGHT, "Europe/Berlin", "2026-10-24 18:00", "2026-10-25 07:00"),  # one of thirteen
        (Quiet(time(12), time(13)), "Asia/Kolkata", "2026-03-04 07:00", "2026-03-04 07:30"),
        (Quiet(time(22), time(2, 30)), "Europe/Berlin", "2026-03-28 23:00", "2026-03-29 01:00"),  # its end is left out
        (Quiet(time(22), time(2, 30)), "Europe/Berlin", "2026-10-25 01:10", "2026-10-25 01:30"),  # its end comes twice
        (Quiet(time(2, 45), time(2, 30)), "Europe/Berlin", "2026-03-28 20:00", "2026-03-30 00:30"),  # left out
        (Quiet(time(9), time(9)), "Europe/Berlin", "2026-03-28 20:00", "2026-03-28 20:00"),  # none at all
    ],
)  # fmt: skip
def test_what_falls_into_quiet_hours_waits_for_their_end(quiet: Quiet, zone: str, at: str, expected: str) -> None:
    start, end = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (at, expected))
    assert after_quiet(start, quiet, ZoneInfo(zone)) == end


@given(PLACES, CLOCKS, CLOCKS)
def test_it_is_the_earliest_instant_that_is_not_quiet(place, start, end) -> None:
    zone, at = place
    quiet = Quiet(start, end)
    found = after_quiet(at, quiet, zone)
    assert not quiet.covers(found.astimezone(zone).time())
    assert after_quiet(found, quiet, zone) == found
    while at < found:
        assert quiet.covers(at.astimezone(zone).time())
        at += 11 * MINUTE


@pytest.mark.parametrize(
    "quiet", [NIGHT, Quiet(time(0), time(2, 30)), Quiet(time(22, 30), time(23, 30)), Quiet(time(1), time(0, 30))]
)
def test_it_ends_within_a_day_or_two_in_every_zone(quiet: Quiet) -> None:
    for name in CHANGING:
        zone = ZoneInfo(name)
        for change in changes(name):
            for hours in range(-26, 3, 2):
                at = change + hours * 60 * MINUTE
                found = after_quiet(at, quiet, zone)
                assert at <= found <= at + 2 * DAY
                assert not quiet.covers(found.astimezone(zone).time())


# ── whose zone ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"time_zone": "America/Lima"}, ("America/Lima", "")),
        ({}, ("Europe/Berlin", "")),
        ({"time_zone": ""}, ("Europe/Berlin", "")),
        ({"time_zone": "Mars/Olympus"}, ("Europe/Berlin", "zone-unknown")),
        ({"time_zone": "../../etc/passwd"}, ("Europe/Berlin", "zone-unknown")),
        ({"time_zone": "Europe"}, ("Europe/Berlin", "zone-unknown")),
        ({"time_zone": 3}, ("Europe/Berlin", "zone-unknown")),
    ],
)
def test_a_lead_without_a_usable_zone_lives_in_the_accounts(fields, expected) -> None:
    zone, reason = zone_of(fields, "Europe/Berlin")
    assert (zone.key, reason) == expected


def test_a_rule_may_name_a_zone() -> None:
    fields = {"home": "America/Lima"}
    assert zone_by("lead", fields, "UTC", ["home"]) == (ZoneInfo("America/Lima"), "")
    assert zone_by("account", fields, "UTC", ["home"]) == (ZoneInfo("UTC"), "")
    assert zone_by("Asia/Tokyo", fields, "UTC", ["home"]) == (ZoneInfo("Asia/Tokyo"), "")

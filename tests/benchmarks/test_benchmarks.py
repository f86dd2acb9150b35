"""That the benchmarks measure what they say; how fast it is, is theirs to say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from integrations.contracts import Incoming, Request
from tests.benchmarks import commands, deliveries, naive, rules
from tests.benchmarks.__main__ import limits
from tests.benchmarks.load import percentile
from workers.adapters import Adapters
from workers.clock import system_clock
from workers.config import Settings
from workers.rulebook import compile_rulebook
from workers.simulate import read_line


def test_the_rulebook_has_the_promised_size() -> None:
    rulebook = compile_rulebook(rules.bundle())
    profile = [rule for each in rulebook.models.values() for group in each.groups for rule in group.profile_rules]
    written = [rule for kind, found in rulebook.by_event.items() if kind != "score.adjusted" for rule in found]
    assert len(written) + len(profile) == 100
    assert len(rulebook.campaigns) == 20


def test_the_baseline_scores_by_the_same_rules() -> None:
    assert naive.points("form.submitted", {"form": "form-7"}, {"employees": 300, "country": "US"}) == 7 + (1 + 2) + 5


@pytest.mark.parametrize(("kind", "source", "size"), [("single", "site", 1), ("batch", "sendgrid", 100)])
def test_the_sources_accept_the_deliveries(kind: str, source: str, size: int) -> None:
    spec = compile_rulebook(rules.bundle()).sources[source]
    adapter = Adapters(Settings.from_environ(deliveries.settings()), system_clock).source(spec)
    for raw in deliveries.build(kind, 3, "127.0.0.1", run="test", people=10, size=size):
        head, _, body = raw.partition(b"\r\n\r\n")
        lines = [line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:]]
        headers = {name.lower(): value for name, value in lines}
        assert int(headers["content-length"]) == len(body)
        request = Request("POST", f"http://127.0.0.1/hooks/{source}", headers, body, datetime.now(UTC))
        adapter.verify(request)
        assert [type(each) for each in adapter.normalise(request)] == [Incoming] * size


def test_a_missed_limit_is_missed() -> None:
    row = {"events_per_second": 799.0, "requests_per_second": 4000.0, "worker_peak_mb": 200.0}
    results = {"naive": {"events_per_second": 100.0}, "door_single": row, "path_single": row, "path_batch": row}
    assert [each["met"] for each in limits(results)] == [True, False, False, True, True]


def test_the_rules_that_are_checked_are_rules_and_their_limit_is_one() -> None:
    rulebook = compile_rulebook(commands.rule_files(300))
    assert sum(len(model.profile_rules) for model in rulebook.models.values()) == 100
    assert len(rulebook.by_event["form.submitted"]) == 200
    assert [each["met"] for each in commands.limits(49_000, 1.9)] == [False, True]


def test_everybody_of_the_recording_comes_back_and_then_others_come() -> None:
    recorded = commands.recording()[:40]
    told = [read_line(each) for each in islice(commands.lines(recorded), 40 * commands.PERIODS + 1)]
    assert len({each.key for each in told}) == len(told)
    assert told[40].identities == told[0].identities
    assert told[40].happened - told[0].happened == timedelta(days=45)
    assert told[-1].identities != told[0].identities


def test_percentiles_are_of_the_sorted_list() -> None:
    seconds = [n / 1000 for n in range(1, 101)]
    assert (percentile(seconds, 50), percentile(seconds, 99), percentile(seconds, 100)) == (51.0, 100.0, 100.0)

"""`dripline simulate`, used as from a shell."""

from __future__ import annotations

import gzip
import io
import json
import sys
from typing import TYPE_CHECKING

from tests.workers.cli.folders import ANN, happen, line, recorded, write
from tests.workers.reports.bundles import RULES
from workers.simulate.shares import LEAST

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.workers.cli.conftest import Dripline


def test_simulate_sums_up(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    (tmp_path / "events.jsonl").write_text("\n".join(recorded()) + "\n")
    done = dripline("simulate", "events.jsonl", "--until", "2026-04-30")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("3 events of 2 leads, by rules and templates")
    assert "1 event left out: came before" in done.out
    assert "welcome.send-hello  hello" in done.out
    assert "Not promoted: 1 lead far enough, and\n  no evidence of timing  1" in done.out


def test_simulate_says_what_counts_for_nothing(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    odd = [
        line(0, "coffee.drunk", "ann@acme.test"),
        line(1, "coffee.drunk", "ann@acme.test"),
        line(2, "order.placed", "ann@acme.test", properties={"amount": "4000"}, lead={"employees": "many"}),
        line(3, "order.placed", "ann@acme.test"),
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(odd))
    done = dripline("simulate", "events.jsonl").out
    assert "Left aside\n  undeclared-event  event.coffee.drunk  2\n" in done
    assert "  bad-property  event.order.placed      1\n" in done
    assert "  no-value  engagement.ordered          2\n" in done
    told = json.loads(dripline("simulate", "events.jsonl", "--json").out)["summary"]["skipped"]
    assert {"reason": "bad-value", "rule": "field.employees", "times": 1} in told


def test_simulate_as_data(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    with gzip.open(tmp_path / "events.jsonl.gz", "wt") as file:
        file.write("\n".join(recorded()))
    told = json.loads(dripline("simulate", "events.jsonl.gz", "--json").out)
    ann, bob = told["leads"]
    assert (ann["identities"], ann["stage"], bob["stage"]) == ([ANN], "sales-qualified", "subscriber")
    assert [mail["template"] for mail in told["mails"]] == ["hello"]
    assert {each["kind"] for each in told["decisions"]} >= {"scored", "staged", "not_promoted", "sent"}
    assert told["summary"]["counts"]["duplicates"] == 1


BAD = {
    "{": "not JSON",
    "[1]": "not a JSON object",
    '{"type": "x", "email": "a@b.test"}': "no `occurred_at`",
    '{"type": "x", "occurred_at": "soon", "email": "a@b.test"}': "is no time",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00", "email": "a@b.test"}': "has no offset",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z"}': "nobody to whom it happened",
    '{"occurred_at": "2026-03-02T09:00:00Z", "email": "a@b.test"}': "no `type`",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z", "email": "a@b.test", "properties": []}': "not an object",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z", "identities": ["ann"]}': "kind:value",
    '{"type": "x", "occurred_at": "2026-03-02T09:00:00Z", "identities": 7}': "neither a list nor an object",
}


def test_lines_that_are_no_events_are_told_and_left_out(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    (tmp_path / "events.jsonl").write_text("\n".join([*BAD, "", *recorded()]))
    done = dripline("simulate", "events.jsonl")
    assert done.code == 0
    for number, (line_, why) in enumerate(zip(done.err.splitlines(), BAD.values(), strict=False), 1):
        assert line_.startswith(f"line {number}: ")
        assert why in line_
    assert f"{len(BAD)} of {len(BAD) + 4} lines are no events" in done.err


def test_simulate_reads_from_a_pipe(dripline: Dripline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(recorded()).encode())))
    assert dripline("simulate", "-").out.startswith("3 events of 2 leads")


def test_a_file_that_is_not_there(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    done = dripline("simulate", "nothing.jsonl")
    assert (done.code, "nothing.jsonl cannot be read" in done.err) == (1, True)


def test_a_zipped_file_that_is_cut_off_or_broken(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    zipped = gzip.compress("\n".join(recorded()).encode())
    for content in (zipped[:-20], zipped[:30] + b"?" * 10 + zipped[40:]):
        (tmp_path / "events.jsonl.gz").write_bytes(content)
        done = dripline("simulate", "events.jsonl.gz")
        assert done.code == 1
        assert done.err == "Error: events.jsonl.gz cannot be read: it is cut off, or broken\n"


def test_many_events_are_read_by_every_process_and_told_once(dripline: Dripline, tmp_path: Path):
    write(tmp_path)
    many = [line(n % 600, "page.viewed", f"p{n % 50}@acme.test") for n in range(LEAST)]
    (tmp_path / "events.jsonl").write_text("\n".join(["nonsense", *many]))
    done = dripline("simulate", "events.jsonl")
    assert done.out.startswith("600 events of 50 leads")
    assert f"{LEAST - 600:,} events left out: came before" in done.out
    assert done.err.endswith(f"1 of {LEAST + 1} lines are no events and were left out.\n")


def test_an_export_of_the_log_is_simulated_alike(dripline: Dripline, tmp_path: Path, database: str):
    write(tmp_path)
    dripline("apply")
    happen(database)
    done = dripline("export")
    assert (done.code, done.err) == (0, "2 events.\n")
    (tmp_path / "log.jsonl").write_text(done.out)
    told = json.loads(dripline("simulate", "log.jsonl", "--json").out)
    assert [(lead["identities"], lead["stage"]) for lead in told["leads"]] == [([ANN], "lead")]
    assert told["summary"]["mails"] == [{"campaign": "welcome", "step": "send-hello", "template": "hello", "mails": 1}]
    assert dripline("export", "--until", "2020-01-01").err == "0 events.\n"


def test_a_masked_export_names_nobody_and_comes_to_the_same(dripline: Dripline, tmp_path: Path, database: str):
    personal = RULES["rules/fields.yaml"].replace("first_name: text", "first_name: {type: text, personal: true}")
    write(tmp_path, {"rules/fields.yaml": personal})
    dripline("apply")
    happen(database)
    plain, masked = dripline("export").out, dripline("export", "--masked").out
    assert "ann@acme.test" in plain
    assert "ann" not in masked
    assert "Ann" not in masked
    assert masked != dripline("export", "--masked").out
    rows = [json.loads(each) for each in masked.splitlines()]
    assert len({each["identities"][0] for each in rows}) == 1
    assert rows[0]["identities"][0].endswith("@acme.test")
    assert {each["lead"].get("first_name") for each in rows} == {None, "masked"}
    for name, text in (("plain", plain), ("masked", masked)):
        (tmp_path / f"{name}.jsonl").write_text(text)
    told = [json.loads(dripline("simulate", f"{name}.jsonl", "--json").out)["summary"] for name in ("plain", "masked")]
    assert told[0] == told[1]

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import dramatiq
import pytest

from workers.log import CONSUMER_AWAY, configure, get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def written(*, as_json: bool, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, stream=stream, as_json=as_json)
    log = get_logger("workers.somewhere")
    log.debug("nothing_new")
    log.info("batch_processed", slice=3, events=120, note="two words")
    return stream


def test_a_terminal_gets_a_readable_line():
    line = written(as_json=False).getvalue()
    assert line.endswith('info    batch_processed  slice=3 events=120 note="two words"\n')


def test_a_machine_gets_one_object_a_line():
    line = json.loads(written(as_json=True).getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info", "logger": "workers.somewhere", "event": "batch_processed",
        "slice": 3, "events": 120, "note": "two words",
    }  # fmt: skip


def test_lines_below_the_level_are_not_written():
    assert "batch_processed" not in written(as_json=True, level="warning").getvalue()


def test_an_exception_brings_its_traceback_and_foreign_lines_keep_their_text():
    stream = io.StringIO()
    configure(stream=stream, as_json=True)
    try:
        int("no good")
    except ValueError:
        get_logger("workers.somewhere").exception("delivery_failed", outbox=7)
    logging.getLogger("elsewhere").warning("plain %s", "text")
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert (ours["outbox"], "ValueError: invalid literal" in ours["traceback"]) == (7, True)
    assert (theirs["event"], theirs["logger"]) == ("plain text", "elsewhere")


def test_whatever_is_no_terminal_gets_json():
    stream = io.StringIO()
    configure(stream=stream)
    get_logger("x").info("here")
    assert json.loads(stream.getvalue())["event"] == "here"


def test_what_dramatiq_shouts_while_redis_is_away_is_not_passed_on():
    stream = io.StringIO()
    configure("info", stream=stream, as_json=False)
    theirs = logging.getLogger("dramatiq.worker.ConsumerThread(dripline)")
    theirs.critical(CONSUMER_AWAY, "refused")
    theirs.critical("Consumer encountered an unexpected error.")
    assert [line.split()[1:3] for line in stream.getvalue().splitlines()] == [["critical", "Consumer"]]
    assert CONSUMER_AWAY in (Path(dramatiq.__file__).parent / "worker.py").read_text()

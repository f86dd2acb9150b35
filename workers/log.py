"""Log lines of a constant event name and fields, on the standard library's logging.

`log.info("batch_processed", slice=3, events=120)` becomes one line: readable on a terminal, one JSON object elsewhere.
Fields are numbers, ids and short text; never objects, never a person's data beyond an id.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final

LEVELS: Final = ("debug", "info", "warning", "error")
CONSUMER_AWAY: Final = "Consumer encountered a connection error: %s"
"""dramatiq says this as critical, again and again, while Redis is away; we work on without, and say so ourselves."""


class Log:
    """Writes events of one module."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: Any) -> None:
        """For the developer who follows one run."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Something went as it should and is worth a line."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Something went wrong that the program puts right by itself."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, *, raised: BaseException | None = None, **fields: Any) -> None:
        """Something a person has to look at; with the traceback of what was `raised`, if it is given."""
        self._write(logging.ERROR, event, fields, traceback=raised)

    def exception(self, event: str, **fields: Any) -> None:
        """Like `error`, with the traceback of the exception being handled."""
        self._write(logging.ERROR, event, fields, traceback=True)

    def _write(
        self, level: int, event: str, fields: dict[str, Any], *, traceback: bool | BaseException | None = None
    ) -> None:
        self._logger.log(level, event, exc_info=traceback, extra={"fields": fields})


def get_logger(name: str) -> Log:
    """The log of the module called `name` (pass `__name__`)."""
    return Log(logging.getLogger(name))


class LineFormatter(logging.Formatter):
    """`12:04:31 info    batch_processed  slice=3 events=120`, for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={_word(value)}" for name, value in _fields(record).items())
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        line = f"{at} {record.levelname.lower():<7} {record.getMessage()}  {fields}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for a machine: `time`, `level`, `logger`, `event`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        } | _fields(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str = "info", *, stream: IO[str] | None = None, as_json: bool | None = None) -> None:
    """Send every log line of the process to one stream.

    Args:
        level: one of `LEVELS`; lines below it are not written.
        stream: standard error if None.
        as_json: None chooses JSON unless the stream is a terminal.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.addFilter(lambda record: record.msg != CONSUMER_AWAY)
    handler.setFormatter(JsonFormatter() if _wants_json(target, as_json) else LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("dramatiq", "urllib3", "alembic", "mail.log", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))


def _wants_json(stream: IO[str], as_json: bool | None) -> bool:
    return not stream.isatty() if as_json is None else as_json


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _word(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(letter.isspace() for letter in text) else text

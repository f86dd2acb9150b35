"""Every setting of the program, and the only place that reads the environment.

A setting is a field of `Settings`; its variable is `DRIPLINE_` and the field's name in capitals. `<VARIABLE>_FILE`
names a file that holds the value instead, as container platforms hand out secrets. Everything else that begins with
`DRIPLINE_` belongs to an adapter (`DRIPLINE_SMTP_HOST`) and is kept for it in `Settings.adapters`.
"""
# ruff: noqa: RUF009  (`setting` makes a dataclass field; its defaults are immutable)

from __future__ import annotations

import os
import re
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from workers.exceptions import ConfigurationError
from workers.text import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

PREFIX: Final = "DRIPLINE_"
TESTS: Final = "DRIPLINE_TEST_"
"""Variables of the test suite; no business of the program."""
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def setting(default: Any, says: str, *, secret: bool = False) -> Any:
    """A field of `Settings`: its default, and a sentence for `dripline settings`."""
    return field(default=default, metadata={"says": says, "secret": secret})


def seconds(*amounts: float) -> tuple[timedelta, ...]:
    """Durations from seconds."""
    return tuple(timedelta(seconds=amount) for amount in amounts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set from outside, read once at the start of a process."""

    database_url: str = setting("", "PostgreSQL, e.g. postgresql://dripline@db/dripline", secret=True)
    redis_url: str = setting("redis://127.0.0.1:6379/0", "Redis, which carries hints between processes", secret=True)
    data_dir: Path = setting(Path(".dripline"), "folder where `dripline dev` keeps its database, mailbox and secret")
    public_url: str = setting("http://127.0.0.1:8000", "how the world reaches `dripline web`; signed into links")
    host: str = setting("127.0.0.1", "address that `dripline web` listens on")
    port: int = setting(8000, "port that `dripline web` listens on; 0 takes a free one")
    status_host: str = setting("127.0.0.1", "address of the status page and the metrics, which are not for the public")
    status_port: int = setting(8001, "port of the status page and the metrics of `dripline web`; 0 takes a free one")
    max_connections: int = setting(800, "connections that `dripline web` keeps open; one more is answered 503")
    email: str = setting(
        "",
        "e-mail provider: `smtp`, `ses`, `sendgrid`, …; `mailbox`, as in `dev`, keeps mail in the data folder",
    )
    inbound: str = setting("", "mailbox that `dripline inbound` looks into: `imap` or `maildir`")
    secret: str = setting("", "key that signs the links in mails; 32 random characters or more", secret=True)
    worker_processes: int = setting(1, "processes of one `dripline worker`")
    worker_threads: int = setting(
        4, "threads of each; 4 or more, so that a slow mail server, CRM and webhook leave one"
    )
    pool_size: int = setting(8, "database connections that one process may hold")
    batch: int = setting(1000, "events that one transaction of a worker takes")
    senders: int = setting(
        8, "worker processes on all machines: each keeps to that part of a rate limit while Redis is away"
    )
    delivery_chunk: int = setting(50, "most outbox rows that a worker marks as being sent; fewer where sending is slow")
    lease: timedelta = setting(timedelta(minutes=5), "how long a worker may be silent about a row it is sending")
    retry_schedule: tuple[timedelta, ...] = setting(
        seconds(5, 60, 300, 1800, 7200, 18000, 36000, 36000),
        "waits before the second, third, … try of a delivery; after the last one it is given up",
    )
    ambiguous_after: timedelta = setting(
        timedelta(hours=1), "how long a mail of unknown outcome waits for evidence before a person is asked"
    )
    sweep_every: timedelta = setting(timedelta(seconds=1), "pause between two rounds of `dripline clock`")
    max_body: int = setting(5_000_000, "bytes of the largest webhook delivery that is read")
    log_level: str = setting("info", "debug, info, warning or error")
    log_format: str = setting("auto", "text, json, or auto: text on a terminal")
    adapters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Variables of adapters, by full name."""

    def __post_init__(self) -> None:
        """Refuse values that no process could run with."""
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ConfigurationError(f"{variable(name)} is {getattr(self, name)}; it has to be {least} or more.")
        for name, words in WORDS.items():
            if getattr(self, name) not in words:
                raise ConfigurationError(
                    f"{variable(name)} is {getattr(self, name)!r}; it has to be one of {', '.join(words)}."
                )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that an environment describes.

        Raises:
            ConfigurationError: a value cannot be read; the message names the variable.
        """
        given = _with_files({name: text for name, text in environ.items() if name.startswith(PREFIX)})
        own = {variable(each.name): each for each in settings_fields()}
        values = {own[name].name: _read(name, own[name], text) for name, text in given.items() if name in own}
        rest = {name: text for name, text in given.items() if name not in own and not name.startswith(TESTS)}
        return cls(**values, adapters=MappingProxyType(rest))

    def strays(self, prefixes: Collection[str]) -> dict[str, str]:
        """Variables that nothing uses, each with the nearest name that something does (or empty).

        Args:
            prefixes: names of the adapters and sources that may have variables (`smtp`, `typeform`).
        """
        starts = tuple(variable(prefix.replace("-", "_")) + "_" for prefix in prefixes)
        own = [each.name for each in settings_fields()]
        strays = {name: nearest(name.removeprefix(PREFIX), own) for name in sorted(self.adapters)}
        return {name: variable(near) if near else "" for name, near in strays.items() if not name.startswith(starts)}


LEAST: Final = {
    "port": 0, "worker_processes": 1, "worker_threads": 4, "pool_size": 2, "batch": 1, "delivery_chunk": 1,
    "senders": 1, "max_body": 1000, "status_port": 0, "max_connections": 1, "lease": timedelta(seconds=1),
    "sweep_every": timedelta(milliseconds=10),
}  # fmt: skip
WORDS: Final = {"log_level": ("debug", "info", "warning", "error"), "log_format": ("auto", "text", "json")}


def load() -> Settings:
    """The settings of this process.

    Raises:
        ConfigurationError: a variable cannot be read.
    """
    return Settings.from_environ(os.environ)


def variable(name: str) -> str:
    """The environment variable of a setting: `redis_url` is `DRIPLINE_REDIS_URL`."""
    return PREFIX + name.upper()


def settings_fields() -> tuple[Field[Any], ...]:
    """The fields of `Settings` that have a variable of their own."""
    return tuple(each for each in fields(Settings) if each.default is not MISSING)


def spelled(value: object) -> str:
    """A setting's value as one would write it in the environment."""
    if isinstance(value, tuple):
        return " ".join(spelled(each) for each in value)
    if isinstance(value, timedelta):
        return _spell_duration(value.total_seconds())
    return str(value)


def parse_duration(text: str) -> timedelta:
    """`90s`, `5m`, `2h`, `1d`, or `1.5h`.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is no duration")
    return timedelta(seconds=float(match[1]) * UNITS[match[2]])


def _spell_duration(amount: float) -> str:
    for unit in ("d", "h", "m"):
        if amount and amount % UNITS[unit] == 0:
            return f"{amount / UNITS[unit]:g}{unit}"
    return f"{amount:g}s"


def _with_files(given: Mapping[str, str]) -> dict[str, str]:
    """Replace every `X_FILE` by `X` with what the file holds."""
    values = {name: text for name, text in given.items() if not name.endswith("_FILE")}
    for name, path in given.items():
        if not name.endswith("_FILE"):
            continue
        plain = name.removesuffix("_FILE")
        if plain in values:
            raise ConfigurationError(f"{plain} and {name} are both set; keep one of them.")
        try:
            values[plain] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{name} names {path}, which cannot be read: {error}") from error
    return values


def _read(name: str, each: Field[Any], text: str) -> Any:
    reader, example = READERS[type(each.default)]
    try:
        return reader(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} is {text!r}; write {example}.") from error


READERS: Final[dict[type, tuple[Callable[[str], Any], str]]] = {
    str: (str, "text"),
    int: (int, "a whole number"),
    type(Path()): (Path, "a path"),
    timedelta: (parse_duration, "a duration such as 30s, 5m, 2h or 1d"),
    tuple: (
        lambda text: tuple(parse_duration(word) for word in re.split(r"[\s,]+", text.strip()) if word),
        "durations such as `5s 1m 5m 30m 2h`",
    ),
}

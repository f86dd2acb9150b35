"""Rulebook versions: the files of each, and which one is the active one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from workers.exceptions import NoRulebook, RulebookError
from workers.log import get_logger
from workers.store import controls
from workers.store.json import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version, without its files.

    Attributes:
        id: short for it within this database.
        version: content hash.
        scoring: its `Rulebook.stamp`, hashes of its scoring rules and its plan; empty until a process has compiled it.
        controls: number of the latest decision about a campaign; 0 if nobody has asked.
    """

    id: int
    version: str
    author: str
    message: str
    created_at: datetime
    scoring: str = ""
    controls: int = 0


@dataclass(frozen=True, slots=True)
class Active:
    """The rulebook in force, compiled, with what was decided about its campaigns, and its id in this database."""

    id: int
    rulebook: Rulebook
    controls: int = 0


_PUT: Final = text("""
    INSERT INTO rulebook_versions (version, files, author, message, created_at)
    VALUES (:version, CAST(:files AS jsonb), :author, :message, :now)
    ON CONFLICT (version) DO NOTHING
""")
_ACTIVATE: Final = text("""
    INSERT INTO rulebook_activations (rulebook, author, message, activated_at)
    SELECT id, :author, :message, :now FROM rulebook_versions WHERE version = :version
    RETURNING rulebook
""")


def apply(conn: Connection, version: str, files: Mapping[str, str], *, author: str, message: str, now: datetime) -> int:
    """Store a checked bundle under its content hash (unless it is known) and make it the active one.

    Returns:
        its id in this database.
    """
    given = {"version": version, "author": author, "message": message, "now": now}
    conn.execute(_PUT, given | {"files": dumps(dict(files))})
    return int(conn.execute(_ACTIVATE, given).scalar_one())


_ACTIVE: Final = text("""
    SELECT v.id, v.version, v.author, v.message, v.created_at, v.scoring,
           coalesce((SELECT max(id) FROM campaign_controls), 0)
    FROM rulebook_versions v
    WHERE v.id = (SELECT rulebook FROM rulebook_activations ORDER BY id DESC LIMIT 1)
""")
_FILES: Final = text("SELECT files FROM rulebook_versions WHERE version = :version")
_VERSIONS: Final = text("""
    SELECT id, version, author, message, created_at, scoring FROM rulebook_versions ORDER BY id DESC
""")
_SCORING: Final = text("UPDATE rulebook_versions SET scoring = :scoring WHERE id = :id AND scoring <> :scoring")


def active(conn: Connection) -> Version:
    """The version in force.

    Raises:
        NoRulebook: none was ever applied.
    """
    row = conn.execute(_ACTIVE).one_or_none()
    if row is None:
        raise NoRulebook("the database holds no rulebook yet; put one there: dripline apply rules/ templates/")
    return Version(*row)


def files(conn: Connection, version: str) -> dict[str, str]:
    """The files of a version, text by path.

    Raises:
        NoRulebook: this version is not known.
    """
    found: dict[str, str] | None = conn.execute(_FILES, {"version": version}).scalar_one_or_none()
    if found is None:
        raise NoRulebook(f"the database holds no rulebook {version}; `dripline rulebooks` lists those it holds")
    return found


def versions(conn: Connection) -> list[Version]:
    """All versions, latest first."""
    return [Version(*row) for row in conn.execute(_VERSIONS)]


class Rulebooks:
    """The active rulebook, compiled once per version and shared by the threads of a process.

    Args:
        compile_: turns files into a rulebook, or raises `RulebookError`.
    """

    def __init__(self, compile_: Callable[[Mapping[str, str]], Rulebook]) -> None:
        self._compile = compile_
        self._lock = Lock()
        self._current: Active | None = None
        self._refused: dict[int, RulebookError] = {}

    def active(self, conn: Connection) -> Active:
        """The rulebook in force now: one small query, and a compilation when it has changed.

        Pauses and winners that were decided since are in it. A version that this program cannot compile (a newer
        program put it there) never replaces a running one.
        The first to use a version notes its stamp beside it, so that the clock finds leads that were counted or looked
        at otherwise.

        Raises:
            NoRulebook: none was ever applied.
            RulebookError: the version in force cannot be compiled, and none is running.
        """
        version = active(conn)
        current = self._current
        if current is None or (current.id, current.controls) != (version.id, version.controls):
            with self._lock:
                current = self._current = _controlled(conn, self._switched(conn, version), version.controls)
        if current.id == version.id and current.rulebook.stamp != version.scoring:
            conn.execute(_SCORING, {"id": current.id, "scoring": current.rulebook.stamp})
        return current

    def _switched(self, conn: Connection, version: Version) -> Active:
        current = self._current
        if current and (current.id == version.id or version.id in self._refused):
            return current
        try:
            if version.id in self._refused:
                raise self._refused[version.id]
            switched = Active(version.id, self._compile(files(conn, version.version)))
        except RulebookError as error:
            self._refused[version.id] = error
            if current is None:
                raise
            log.exception("rulebook_refused", version=version.version, running=current.rulebook.version)
            return current
        log.info("rulebook_switched", version=version.version, scoring=switched.rulebook.scoring[:12])
        return switched


def _controlled(conn: Connection, current: Active, latest: int) -> Active:
    """The same with what was decided about campaigns up to the latest decision."""
    if current.controls == latest:
        return current
    decided = controls.load(conn, current.rulebook)
    log.info("controls_loaded", paused=" ".join(sorted(decided.paused)), winners=len(decided.winners))
    return Active(current.id, replace(current.rulebook, controls=decided), latest)

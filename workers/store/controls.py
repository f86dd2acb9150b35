"""What people and results have decided about campaigns since their rules were published: pauses, and winners of tests.

Rows are added and never changed; the latest one about a campaign, or about a split in it, counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import text

from workers.engine.rules import Controls
from workers.rulebook.journey import test_of
from workers.store.json import dumps
from workers.store.locks import hold_controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook

What = Literal["paused", "resumed", "decided"]
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
DECIDED: Final = "decided"
DRIPLINE: Final = "dripline"
"""The author of what was decided by numbers."""


@dataclass(frozen=True, slots=True)
class Control:
    """A decision about a campaign.

    Attributes:
        step: of a test, the split; empty for the campaign as a whole.
        what: `paused`, `resumed` or `decided`.
        value: of a test, the arm that won; empty if there is no difference.
        author, reason, decided_at: who, why and when.
        detail: the numbers, and what has to be known to act on it.
        id: the latest counts; 0 for one that is not stored yet.
    """

    campaign: str
    what: What
    author: str
    reason: str
    decided_at: datetime
    step: str = ""
    value: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0


_COLUMNS: Final = "campaign, what, author, reason, decided_at, step, value, detail, id"
_APPEND: Final = text("""
    INSERT INTO campaign_controls (campaign, what, author, reason, decided_at, step, value, detail)
    VALUES (:campaign, :what, :author, :reason, :decided_at, :step, :value, CAST(:detail AS jsonb))
    RETURNING id
""")
_LATEST: Final = text(f"""
    SELECT DISTINCT ON (campaign, step) {_COLUMNS} FROM campaign_controls ORDER BY campaign, step, id DESC
""")  # noqa: S608  (made of constants)
_HISTORY: Final = text(f"""
    SELECT {_COLUMNS} FROM campaign_controls WHERE campaign = :campaign ORDER BY id DESC LIMIT :limit
""")  # noqa: S608  (made of constants)


def append(conn: Connection, control: Control) -> int:
    """Decide; returns the decision's id. Nobody else decides until the transaction ends."""
    hold_controls(conn)
    given = {
        "campaign": control.campaign, "what": control.what, "author": control.author, "reason": control.reason,
        "decided_at": control.decided_at, "step": control.step, "value": control.value,
        "detail": dumps(dict(control.detail)),
    }  # fmt: skip
    return int(conn.execute(_APPEND, given).scalar_one())


def pause(conn: Connection, control: Control) -> int:
    """Pause a campaign; returns the decision's id, or 0 if it is paused already."""
    hold_controls(conn)
    return 0 if is_paused(conn, control.campaign) else append(conn, control)


def resume(conn: Connection, control: Control) -> int:
    """Let a paused campaign go on; returns the decision's id, or 0 if it is not paused."""
    hold_controls(conn)
    return append(conn, control) if is_paused(conn, control.campaign) else 0


def is_paused(conn: Connection, campaign: str) -> bool:
    """True if the campaign is paused now."""
    control = latest(conn).get((campaign, ""))
    return control is not None and control.what == PAUSED


def paused(conn: Connection) -> dict[str, str]:
    """The campaigns that are paused now, and why."""
    return {name: control.reason for (name, _), control in latest(conn).items() if control.what == PAUSED}


def latest(conn: Connection) -> dict[tuple[str, str], Control]:
    """What counts, by (campaign, step)."""
    return {(control.campaign, control.step): control for control in _read(conn.execute(_LATEST))}


def history(conn: Connection, campaign: str, limit: int = 20) -> list[Control]:
    """What was decided about a campaign, latest first."""
    return _read(conn.execute(_HISTORY, {"campaign": campaign, "limit": limit}))


def load(conn: Connection, rulebook: Rulebook) -> Controls:
    """What counts, for the engine. A winner counts as long as the test it won is the one that the rules hold."""
    found = latest(conn).values()
    paused = frozenset(control.campaign for control in found if control.what == PAUSED)
    won = {f"{each.campaign}.{each.step}": each.value for each in found if each.value and holds(rulebook, each)}
    return Controls(paused, won)


def holds(rulebook: Rulebook, control: Control) -> bool:
    """True if the rules hold the test that was decided, as it was."""
    campaign = rulebook.campaigns.get(control.campaign)
    split = campaign.by_id.get(control.step) if campaign else None
    return bool(campaign and split and test_of(campaign, split) == control.detail.get("test"))


def _read(rows: Iterable[Any]) -> list[Control]:
    return [Control(*row) for row in rows]

"""Events in, what processing left of them out: the words of the pipeline's tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.engine.builders import PROMOTION, points, rulebook
from workers.clock import SteppedClock
from workers.pipeline import Processed, process_slice
from workers.store import events, outbox
from workers.store.events import NewEvent
from workers.store.rulebooks import Active, apply
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Engine

    from workers.engine.rules import Rulebook

BOOK = rulebook(
    rules=(points("form.submitted", 40), points("page.viewed", 5)), promotion=replace(PROMOTION, at_least=0)
)


@dataclass
class InForce:
    """A rulebook built by hand in place of one compiled from files."""

    rulebook: Rulebook = BOOK

    def active(self, conn: Connection) -> Active:
        found = conn.scalar(text("SELECT id FROM rulebook_versions WHERE version = :v"), {"v": self.rulebook.version})
        if found is None:
            found = apply(conn, self.rulebook.version, {}, author="test", message="", now=NOW)
        return Active(found, self.rulebook)


RULES = InForce()


def event(n: int, *subjects: str, type_: str = "page.viewed", **given: Any) -> NewEvent:
    who = tuple(s if ":" in s else f"email:{s}@acme.test" for s in subjects or ("ann",))
    at = given.pop("at", NOW - timedelta(minutes=n))
    return NewEvent("test", f"e{n}", type_, at, who[0], who, properties=given)


def newsletter(n: int, *subjects: str, **given: Any) -> NewEvent:
    return event(n, *subjects, type_="form.submitted", form="newsletter", **given)


def append(engine: Engine, *batch: NewEvent) -> None:
    with engine.begin() as conn:
        events.append(conn, batch, NOW)


def run(engine: Engine, now=NOW, slices: Iterable[int] = range(SLICES), **options: Any) -> Processed:
    total = Processed()
    for slice_ in slices:
        total += process_slice(engine, slice_, RULES, SteppedClock(now), **options)
    return total


def picture(engine: Engine) -> dict[str, Any]:
    """Everything that processing left, without numbers that depend on the order of things."""
    with engine.connect() as conn:
        rows = conn.execute(text("SELECT id, email, state, stage, wake_at FROM leads"))
        by_id = {row.id: row for row in rows}
        names = {i: row.email or "?" for i, row in by_id.items()}
        told = Counter(
            (names[d.lead_id], d.kind, d.rule) for d in conn.execute(text("SELECT lead_id, kind, rule FROM decisions"))
        )
        return {
            "scores": {names[i]: row.state.get("scores") for i, row in by_id.items()},
            "events": {names[i]: row.state.get("events") for i, row in by_id.items()},
            "stages": {names[i]: row.stage for i, row in by_id.items()},
            "scored": {key: n for key, n in told.items() if key[1] == "scored"},
            "mails": Counter((names[r.lead_id], r.key.split(":", 2)[2]) for r in outbox.rows(conn, 9999)),
            "inbox": conn.scalar(text("SELECT count(*) FROM inbox")),
        }

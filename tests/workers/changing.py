"""A database whose rulebook changes, and workers that notice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from tests.conftest import NOW
from tests.workers.engine.builders import NURTURE, WELCOME, points, rulebook
from workers.clock import SteppedClock
from workers.engine.decide import decide
from workers.engine.rules import Trigger
from workers.engine.standing import Standing
from workers.engine.values import LeadState
from workers.exceptions import RulebookError
from workers.pipeline import Processed, process_slice
from workers.store import decisions, leads, rulebooks, status
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES
from workers.sweep import Due, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

ANN: Final = "email:ann@acme.test"
HOUR: Final = timedelta(hours=1)
LATER: Final = NOW + HOUR
EXISTING: Final = replace(
    NURTURE, version="n2", enter=(Trigger(stage="lead"), Trigger(stage="subscriber")), existing=True
)
BOOKS: Final = {
    "old": rulebook(promotion=None, scoring="s-old"),
    "new": rulebook(rules=(points("form.submitted", 4), points("page.viewed", 50)), promotion=None, scoring="s-new"),
    "other-words": rulebook(promotion=None, scoring="s-old"),
    "planned": replace(rulebook(promotion=None, scoring="s-old", campaigns=(WELCOME, EXISTING)), plan="p2"),
}


class World:
    """A database, one worker, and the clock. Every name but those of known rulebooks is one that cannot be compiled."""

    def __init__(self, engine: Engine, decide_: Callable[..., Any] = decide) -> None:
        self.engine = engine
        self.books = dict(BOOKS)
        self.decide = decide_
        self.restart()
        self.apply("old")

    def restart(self) -> None:
        """A new process, which remembers nothing."""
        self.rulebooks = Rulebooks(self.compiled)

    def apply(self, name: str, book: Rulebook | None = None) -> None:
        if book is not None:
            self.books[name] = book
        with self.engine.begin() as conn:
            rulebooks.apply(conn, name, {"rules.yaml": name}, author="ana", message="", now=NOW)

    def compiled(self, files: Mapping[str, str]) -> Rulebook:
        """Files of one line that names a rulebook."""
        name = files["rules.yaml"]
        if name not in self.books:
            raise RulebookError(("rules.yaml:1:1: no such rulebook",))
        return replace(self.books[name], version=name)

    def work(self, now=NOW, **options: Any) -> Processed:
        clock, total = SteppedClock(now), Processed()
        for slice_ in range(SLICES):
            total += process_slice(self.engine, slice_, self.rulebooks, clock, decide=self.decide, **options)
        return total

    def sweep(self, now=LATER) -> Due:
        return sweep(self.engine, now, lambda _: False, HOUR, self.rulebooks)

    def state(self, identity: str = ANN) -> LeadState:
        with self.engine.connect() as conn:
            lead = leads.find(conn, identity)
        assert lead is not None
        return LeadState.load(lead.state)

    def score(self, book: str, identity: str = ANN) -> float:
        return round(Standing(self.state(identity), self.books[book], NOW).score("engagement"), 2)

    def outdated(self) -> int:
        with self.engine.connect() as conn:
            return status.read(conn, LATER).outdated

    def story(self, identity: str = ANN) -> list[tuple[str, str]]:
        with self.engine.connect() as conn:
            lead = leads.find(conn, identity)
            return [(each.kind, each.version) for each in decisions.story(conn, lead.id)]

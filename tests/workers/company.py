"""A company with campaigns, on a real database: what happens to people in, how its campaigns stand out."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.rulebook.base import BASE
from workers.clock import SteppedClock
from workers.delivery.compose import Links
from workers.library import Library
from workers.pipeline import Processed, process_slice
from workers.rulebook import version_of
from workers.store import campaign_counts, events, leads, outbox, rulebooks
from workers.store.events import NewEvent
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Engine

    from workers.engine.values import LeadState

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MAIL = "---\nsubject: Hello\ncategory: marketing\n---\nHello\n\n{{ account.address }}\n{{ unsubscribe_url }}\n"
FILES = {path: told for path, told in BASE.items() if "campaigns" not in path and "templates" not in path} | {
    f"templates/{name}/mail.txt": MAIL for name in "abcd"
}


class Company:
    """Its rules can be changed, time can pass, and things happen to people who are called by short names."""

    def __init__(self, engine: Engine, campaign: str, **files: str) -> None:
        self.engine = engine
        self.library = Library(engine, Links("http://acme.test", "s" * 32))
        self.now = NOW
        self._numbers = count(1)
        self.apply(campaign, **files)

    def apply(self, campaign: str, **files: str) -> str:
        bundle = FILES | {"rules/campaigns/test.yaml": campaign} | {f"rules/{n}.yaml": t for n, t in files.items()}
        version = version_of(bundle)
        with self.engine.begin() as conn:
            rulebooks.apply(conn, version, bundle, author="ana", message="", now=self.now)
        return version

    def tell(self, type_: str, *who: str, **properties: Any) -> None:
        """Something happens to people, now."""
        lead = properties.pop("lead", {})
        batch = []
        for name in who:
            subject = f"email:{name}@acme.test"
            number = f"e{next(self._numbers)}"
            batch.append(NewEvent("test", number, type_, self.now, subject, (subject,), properties, lead))
        with self.engine.begin() as conn:
            events.append(conn, batch, self.now)

    def work(self, now: datetime | None = None, **options: Any) -> Processed:
        """Everything that is due is done."""
        self.now = now or self.now
        total = Processed()
        while True:
            with self.engine.connect() as conn:
                due = leads.due_slices(conn, self.now, SLICES)
            if not due:
                return total
            for slice_ in sorted(due):
                clock = SteppedClock(self.now)
                total += process_slice(self.engine, slice_, self.library.rulebooks, clock, **options)

    def later(self, length: timedelta) -> Processed:
        return self.work(self.now + length)

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────────────

    def counts(self, campaign: str = "test") -> dict[tuple[str, str], int]:
        with self.engine.connect() as conn:
            return campaign_counts.totals(conn, campaign)

    def rows(self, columns: str = "step, outcome, reason") -> dict[str, Any]:
        """The table of enrolments, by people."""
        query = f"""
            SELECT split_part(email, '@', 1), {columns} FROM enrolments e JOIN leads ON leads.id = e.lead_id
            ORDER BY lead_id, e.campaign, e.key
        """
        with self.engine.connect() as conn:
            return {name: tuple(rest) for name, *rest in conn.execute(text(query))}

    def state(self, who: str) -> LeadState:
        from workers.engine.values import LeadState

        with self.engine.connect() as conn:
            lead = leads.find(conn, f"email:{who}@acme.test")
        assert lead is not None
        return LeadState.load(lead.state)

    def mails(self) -> list[outbox.Row]:
        with self.engine.connect() as conn:
            return sorted(outbox.rows(conn, 10_000), key=lambda row: row.id)

    def scalar(self, query: str, given: Mapping[str, Any] | None = None) -> Any:
        with self.engine.connect() as conn:
            return conn.scalar(text(query), given or {})

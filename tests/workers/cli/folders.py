"""Folders of rules, and what happens by them, for the tests of commands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.folders import write_files
from tests.workers.reports.bundles import RULES
from workers.pipeline import process_slice
from workers.rulebook import compile_rulebook
from workers.store import events
from workers.store.database import connect
from workers.store.events import NewEvent
from workers.store.rulebooks import Rulebooks
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


ANN = "email:ann@acme.test"
EXAMPLES = """
examples:
  - name: a demo request is worth forty points
    given:
      lead: {employees: 250}
      events: [{at: 0d, type: form.submitted, form: demo}]
    at: 30 days
    expect: {score: {engagement: 20, fit: [30, 40]}, band: {engagement: warm}, stage: lead, segments: [big]}
    never: {promoted: true, mails: [hello]}
"""
WRONG = """
examples:
  - name: everybody is a friend
    given: {events: [{at: 0d, type: form.submitted, form: newsletter}]}
    expect: {score: {engagement: 40}, stage: lead, mails: [], promoted: true}
"""


def write(folder: Path, *more: Mapping[str, str]) -> None:
    for files in (RULES, *more):
        write_files(folder, files)


def line(number: int, kind: str, email: str, **more: object) -> str:
    at = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(hours=number)
    return json.dumps({"type": kind, "occurred_at": at.isoformat(), "email": email, "event_id": str(number), **more})


def recorded() -> list[str]:
    return [
        line(0, "form.submitted", "ann@acme.test", properties={"form": "demo"}, lead={"employees": 500}),
        line(1, "form.submitted", "bob@acme.test", properties={"form": "newsletter"}),
        line(2, "order.placed", "ann@acme.test", properties={"amount": 4000}),
        line(2, "order.placed", "ann@acme.test", properties={"amount": 4000}),
    ]


def happen(database: str) -> None:
    engine = connect(database)
    now = datetime.now(UTC)
    told = {"employees": 250, "first_name": "Ann"}
    with engine.begin() as conn:
        batch = [
            NewEvent("p", "1", "form.submitted", now, ANN, (ANN,), {"form": "newsletter"}, told),
            NewEvent("p", "2", "form.submitted", now, ANN, (ANN,), {"form": "demo"}),
        ]
        events.append(conn, batch, now)
    process_slice(engine, slice_of(ANN), Rulebooks(compile_rulebook), lambda: now)
    engine.dispose()

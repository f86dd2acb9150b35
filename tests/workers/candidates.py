"""A company with leads that are nearly opportunities."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.workers.company import Company

if TYPE_CHECKING:
    from sqlalchemy import Engine

QUIET = "campaign: test\nenter: {event: trial.started, when: 'event.plan == \"none\"'}\nsteps: [{end: done}]\n"
FIELDS = "fields: {employees: integer, country: country, budget: integer, seats: integer}\n"
PROMOTION = """\
promote:
  at: lead
  when: score("engagement") >= 30
  evidence: {at_least: 2, of: {size: lead.employees > 10, budget: lead.budget > 0, need: lead.seats > 5}}
  opportunity: {crm: hubspot, stage: new, name: '"deal"'}
  owner: ana@acme.example
"""
PEOPLE = {
    "one": (2, {"employees": 50}),
    "two": (1, {"employees": 50}),
    "three": (1, {}),
    "four": (1, {"employees": 50, "seats": 9}),
    "early": (0, {"employees": 50}),
    "ripe": (2, {"employees": 50, "seats": 9}),
}
"""Trials that each of them has started, of 20 points each, and what is known of them."""


def candidates(engine: Engine) -> Company:
    """Everybody has come in, in a past that is a minute old; the last of them first."""
    company = Company(engine, QUIET, fields=FIELDS, promotion=PROMOTION)
    company.now = datetime.now(UTC) - timedelta(minutes=1)
    for name, (trials, lead) in PEOPLE.items():
        company.now -= timedelta(seconds=1)
        company.tell("page.viewed", name, lead=lead)
        for _ in range(trials):
            company.tell("trial.started", name)
    company.work(datetime.now(UTC))
    return company

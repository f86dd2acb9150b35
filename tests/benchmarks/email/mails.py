"""The mails that are measured: those of the company that ships with Dripline, to people who are all different."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.engine.values import LeadState
from workers.rulebook import read
from workers.store import leads, outbox
from workers.store.database import transaction
from workers.store.leads import Lead
from workers.store.outbox import Effect

if TYPE_CHECKING:
    from sqlalchemy import Engine

ROOT = Path(__file__).parents[3]
TEMPLATES = ("welcome/hello", "welcome/case-study", "trial/bring-a-colleague")
"""HTML and text, written or made of it, set into one layout; each between 4 and 6 kB as a message."""
NAMES = ("Ann", "Jürgen", "Zoë", "Łukasz", "Mary Jane", "Óscar", "Bo", "李娜")


def files() -> dict[str, str]:
    """The bundle, without the limits that its company has set itself."""
    bundle = read(ROOT / "rules", ROOT / "templates")
    return {path: text for path, text in bundle.items() if path != "rules/sending.yaml"}


def people(number: int, first: int = 1) -> list[Lead]:
    """So many, the same ones every time."""
    dice = random.Random(first)
    return [Lead(each, each % 64, f"person{each}@company{each % 997}.test", _state(dice, each), None)
            for each in range(first, first + number)]  # fmt: skip


def _state(dice: random.Random, number: int) -> dict[str, Any]:
    fields = {
        "first_name": dice.choice(NAMES),
        "last_name": f"Number {number}",
        "company": f"Company & Sons {number % 997}",
        "industry": dice.choice(["logistics", "retail", "manufacturing"]),
        "seats": dice.randrange(1, 200),
    }
    return {**LeadState().dump(), "fields": fields}


def fill(engine: Engine, number: int, first: int = 1) -> None:
    """Put people and a due mail for each of them into the database."""
    now = datetime.now(UTC)
    for start in range(first, first + number, 1000):
        size = min(1000, first + number - start)
        with transaction(engine) as conn:
            leads.add(conn, people(size, start), 1, now)
            outbox.put(conn, [effect(each) for each in range(start, start + size)], 1, now)


def effect(person: int) -> Effect:
    """The mail to one of them."""
    payload = {"template": TEMPLATES[person % len(TEMPLATES)]}
    return Effect(f"mail:{person}:welcome:1:step", "email", person, payload)

"""A database with leads and an outbox, a clock, and providers that do what the test says."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import text

from integrations.contracts import Accepted, Mail, Promotion
from tests.conftest import NOW
from workers.clock import SteppedClock
from workers.delivery.attempts import Policy
from workers.delivery.compose import Composer, Links
from workers.delivery.deliver import Deliverer
from workers.delivery.senders import CrmSender, EmailSender
from workers.engine.categories import Category, ConsentPolicy
from workers.engine.rules import Account, Rulebook, Tracking
from workers.store import outbox, pauses
from workers.store.outbox import Effect, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from workers.delivery.senders import RoutedSender
    from workers.store.pauses import Alone

SCHEDULE = (timedelta(seconds=5), timedelta(minutes=1))
POLICY = Policy(SCHEDULE, lease=timedelta(minutes=10), chunk=4)
FILES = {
    "templates/hi/mail.txt": "---\nsubject: Hi\ncategory: marketing\n---\nHi {{ lead.first_name }}",
    "templates/receipt/mail.txt": "---\nsubject: Hi\ncategory: transactional\n---\nHi",
    "templates/webinar/mail.txt": "---\nsubject: Hi\ncategory: marketing\ntopic: webinars\n---\nHi",
    "templates/plain/mail.txt": "---\nsubject: Hi\ncategory: marketing\n---\nHi",
    "templates/note/full/note.txt": (
        "{{ lead.first_name }} of {{ account.company }}: {{ scores.fit.score }}\n"
        "{% for name, met in evidence.items() if met %}has {{ name }}\n{% endfor %}"
        "{% for each in recent %}{{ each.type }}{% endfor %}"
    ),
    "templates/note/broken/note.txt": "{{ lead.nobody_knows }}",
    "templates/note/wrong/note.txt": "{% if %}",
    "templates/note/endless/note.txt": "{% include 'note/endless/note.txt' %}",
    "templates/welcome/hello/mail.txt": "---\nsubject: Welcome\ncategory: marketing\n---\nWelcome",
}
RULEBOOK = cast(
    "Rulebook",
    SimpleNamespace(
        account=Account("A", "UTC", "EUR", "Nora <nora@acme.test>", "1 Road"),
        templates=FILES,
        tracking=Tracking(),
        consent=ConsentPolicy({"webinars": Category("webinars", "Webinars", "", "consent")}),
    ),
)
COMPOSER = Composer(RULEBOOK, Links("https://go.acme.test", "s" * 32))
DETAILS = {
    "person": {"email": "ann@acme.test", "first_name": "Ann", "last_name": "", "phone": "", "title": "", "company": ""},
    "name": "Acme", "pipeline": "default", "stage": "new", "amount": "9600.00", "currency": "EUR",
    "close_on": "2026-03-01", "owner": "", "note": "hot",
}  # fmt: skip
HAND_OVER = {"crm": "hubspot", "opportunity": DETAILS}


@dataclass
class Scripted:
    """Does one thing after the other, then accepts."""

    script: list[Exception | Callable[[], None]] = field(default_factory=list)
    takes_key: bool = False
    got: list[Any] = field(default_factory=list)

    def send(self, thing: Mail | Promotion) -> Accepted:
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step:
            step()
        self.got.append(thing)
        return Accepted(f"ref-{len(self.got)}")

    promote = send

    def close(self) -> None:
        pass


def crm_sender(crm: Callable[[str], Any], *, takes_key: bool = True) -> CrmSender:
    return CrmSender(crm, lambda _name: takes_key, lambda _version: COMPOSER)


class World:
    """A database with leads and an outbox, a clock, and a deliverer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = SteppedClock(NOW)
        self.deliverer = Deliverer(engine, self.clock, POLICY)

    def lead(self, number: int, **fields: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(
                text("""
                    INSERT INTO leads (id, slice, email, state, created_at, updated_at)
                    VALUES (:id, 0, CAST(:state AS jsonb) -> 'fields' ->> 'email', CAST(:state AS jsonb), :now, :now)
                """),
                {"id": number, "state": _json({"fields": fields, "format": 1}), "now": NOW},
            )

    def mails(self, count: int, template: str = "plain") -> None:
        for number in range(1, count + 1):
            self.lead(number, email=f"lead{number}@acme.test", first_name="Ann")
        self.put(
            *[
                Effect(f"mail:{number}:welcome:1:hello", "email", number, {"template": template})
                for number in range(1, count + 1)
            ]
        )

    def put(self, *effects: Effect) -> None:
        with self.engine.begin() as conn:
            outbox.put(conn, effects, 1, self.clock())

    def run(self, provider: Scripted) -> dict[str, int]:
        sender = EmailSender("scripted", provider, lambda _version, _template: COMPOSER)
        return dict(self.deliverer.run(sender).states)

    def promote(self, provider: Scripted) -> dict[str, int]:
        return dict(self.deliverer.run(crm_sender(lambda _name: provider, takes_key=provider.takes_key)).states)

    def alone(self) -> list[Alone]:
        with self.engine.begin() as conn:
            return pauses.alone(conn, self.clock())

    def rows(self) -> list[Row]:
        with self.engine.begin() as conn:
            return sorted(outbox.rows(conn, 1000), key=lambda row: row.id)

    def row(self) -> Row:
        (row,) = self.rows()
        return row

    def work(self, sender: EmailSender | RoutedSender, hours: float, *deliverers: Deliverer) -> None:
        """Deliver with two threads at a time, on a fast clock: so many hours, and until nothing is left to be tried.

        Args:
            sender: whom they hand mails to.
            hours: at the least.
            *deliverers: of several processes; without any, both threads are this one's.
        """
        for number in range(1000):
            if number >= hours * 2 and not {"pending", "sending", "retry"} & self.states().keys():
                return
            threads = [threading.Thread(target=each.run, args=(sender,)) for each in deliverers or [self.deliverer] * 2]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.step(minutes=30)
        raise AssertionError(f"it never ends: {self.states()}")

    def states(self) -> dict[str, set[str]]:
        """Keys by state."""
        found: dict[str, set[str]] = {}
        for row in self.rows():
            found.setdefault(row.state, set()).add(row.key)
        return found

    def step(self, **by: float) -> None:
        self.clock.move_to(self.clock() + timedelta(**by))


def _json(value: Any) -> str:
    return json.dumps(value)


class Killed(BaseException):
    """Stands for the end of the process."""

"""The instants at which a death hurts most: the other side has it, and we have not written that down."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from tests.chaos.faults import flush
from tests.chaos.fleet import WORKERS, running, wait_for
from tests.chaos.promises import ambiguous, check, settle, told
from tests.chaos.traffic import Delivery, Senders, event
from workers.config import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.chaos.fleet import Fleet
    from tests.chaos.promises import Numbers
    from tests.chaos.traffic import Seen
    from tests.servers import Postgres

PEOPLE: Final = 100
DEMO: Final = ("demo", "demo")
"""The forms that a person fills in to become an opportunity."""
BOTH: Final = ("newsletter", *DEMO)
"""… and to get two mails."""
OBJECTS: Final = "/crm/objects/2026-09/"
ANY: Final = 2 * PEOPLE
CHUNK: Final = Settings().delivery_chunk
SLOW: Final = 0.1
"""Seconds that a slow mail server takes to answer."""


def everybody(forms: Sequence[str]) -> list[Delivery]:
    """One delivery for each person."""
    return [
        Delivery(
            f"d{n}", [event(f"e{n}-{m}", f"p{n}@acme.test", "form.submitted", form=f) for m, f in enumerate(forms)]
        )
        for n in range(PEOPLE)
    ]


def finish(fleet: Fleet, seen: Seen) -> Numbers:
    """Wait until all is done, and look at what was promised."""
    settle(fleet, unclear=ANY)
    numbers = check(fleet, seen.accepted)
    print(told(numbers, answers=dict(seen.answers), done=fleet.done))  # noqa: T201  (shown with -s)
    return numbers


def kill_worker(fleet: Fleet, when: str) -> None:
    """Kill it, and free the hints that it took along, or their ten seconds would have to be waited for."""
    fleet.done.append(f"worker killed at {when}")
    fleet.worker.kill()
    flush(fleet)


def test_a_mail_is_sent_once_though_the_worker_dies_before_it_hears_that_the_server_has_it(
    postgres: Postgres, tmp_path: Path
) -> None:
    fatal = {1, 40, 80}
    with running(postgres, tmp_path) as fleet:
        fleet.mails.before_answer = lambda number: kill_worker(fleet, f"mail {number}") if number in fatal else None
        seen = Senders(fleet.port).send(everybody(BOTH))
        numbers = finish(fleet, seen)
        assert len(fleet.done) == len(fatal)
        assert len(fatal) <= numbers.ambiguous_arrived <= numbers.ambiguous

        report_delivered(fleet, seen)
        assert finish(fleet, seen).ambiguous_arrived == 0


def report_delivered(fleet: Fleet, seen: Seen) -> None:
    """Tell of every mail that arrived what a provider would tell, which knows our mails by their Message-ID."""
    events = [
        event(f"delivered {n}", mail.to, "email.delivered", message_id=str(mail.message["Message-ID"]).strip("<>"))
        for n, mail in enumerate(fleet.mails.received)
    ]
    seen.accepted += Senders(fleet.port).send([Delivery("delivered", events)]).accepted


def test_an_opportunity_is_made_once_though_the_worker_dies_before_it_hears_that_the_crm_has_it(
    postgres: Postgres, tmp_path: Path
) -> None:
    fatal = {("POST", "contacts", 5), ("POST", "deals", 20), ("PUT", "deals", 40)}
    with running(postgres, tmp_path) as fleet:
        fleet.crm.before_answer = killer(fleet, fatal)
        numbers = finish(fleet, Senders(fleet.port).send(everybody(DEMO)))
        assert (len(fleet.done), numbers.deals) == (len(fatal), PEOPLE)


def killer(fleet: Fleet, fatal: set[tuple[str, str, int]]) -> Callable[[str, str], None]:
    """Kills the worker at these calls: by method, kind of object, and how many of these there were."""
    calls: Counter[tuple[str, str]] = Counter()
    lock = threading.Lock()

    def before_answer(method: str, path: str) -> None:
        call = method, path.removeprefix(OBJECTS).partition("/")[0]
        with lock:
            calls[call] += 1
            if (*call, calls[call]) in fatal:
                kill_worker(fleet, f"{method} {call[1]} {calls[call]}")

    return before_answer


def test_mails_are_booked_as_sent_though_postgresql_is_away_when_a_slow_server_takes_them(
    postgres: Postgres, tmp_path: Path
) -> None:
    fatal = PEOPLE // 2
    crashed = threading.Event()

    def before_answer(number: int) -> None:
        if number == fatal:
            postgres.stop(signal.SIGQUIT)
            crashed.set()
        if abs(number - fatal) < CHUNK:
            time.sleep(SLOW)

    with running(postgres, tmp_path) as fleet, ThreadPoolExecutor(1) as thread:
        fleet.mails.before_answer = before_answer
        sending = thread.submit(Senders(fleet.port).send, everybody(BOTH))
        wait_for("PostgreSQL has crashed", crashed.is_set)
        wait_for("the worker could not book a mail", lambda: fleet.worker.said("outcomes_not_recorded"))
        postgres.start()
        numbers = finish(fleet, sending.result())
        # Whose claim was committed as PostgreSQL crashed stays unclear; but of what arrived, everything is known.
        wait_for("what arrived is booked", lambda: ambiguous(fleet)[1] == 0)
        assert numbers.mails + ambiguous(fleet)[0] == 2 * PEOPLE


def test_a_delivery_that_was_committed_and_not_acknowledged_counts_once(postgres: Postgres, tmp_path: Path) -> None:
    deliveries = everybody(DEMO)
    body = deliveries[0].body()
    with running(postgres, tmp_path) as fleet:
        deaf = http.client.HTTPConnection("127.0.0.1", fleet.port, timeout=10)
        deaf.request("POST", "/hooks/site", body, deliveries[0].headers(body))
        wait_for("its events are committed", lambda: fleet.rows("SELECT id FROM events"))
        fleet.web.kill()
        deaf.close()
        seen = Senders(fleet.port).send(deliveries)
        assert (len(seen.accepted), seen.known) == (PEOPLE * len(DEMO), len(DEMO))
        finish(fleet, seen)


def test_everything_starts_while_postgresql_is_away_and_refuses_nothing_for_good(
    postgres: Postgres, tmp_path: Path
) -> None:
    with running(postgres, tmp_path) as fleet, ThreadPoolExecutor(1) as thread:
        postgres.stop(signal.SIGQUIT)
        for unit in fleet.units:
            unit.kill()
        senders = Senders(fleet.port)
        sending = thread.submit(senders.send, everybody(DEMO))
        wait_for("the web process answers", lambda: any(answer.isdecimal() for answer in senders.seen.answers))
        wait_for("the worker runs", lambda: fleet.worker.said("worker_started") == 2 * WORKERS)
        wait_for("the clock runs", lambda: fleet.clock.said("clock_started") == 2)
        postgres.start()
        seen = sending.result()
        finish(fleet, seen)
        assert {answer for answer in seen.answers if answer.isdecimal()} == {"503", "202"}

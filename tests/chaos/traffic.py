"""What the world sends: signed deliveries of webhook events, each repeated until it is acknowledged."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from integrations.signatures import STANDARD_WEBHOOKS, sign, standard_secret
from tests.chaos.company import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SENDERS: Final = 16
AGAIN: Final = 0.2
"""Seconds until a sender repeats a delivery that got no 202."""
LARGEST: Final = 8
"""Events of one delivery."""
REPEATED: Final = 20
"""One delivery in so many is sent twice though it was acknowledged, as senders do whose network hiccups."""
OLDEST: Final = timedelta(days=10)
KINDS: Final = {
    ("page.viewed", "url", "/"): 70,
    ("page.viewed", "url", "/pricing"): 22,
    ("form.submitted", "form", "demo"): 5,
    ("form.submitted", "form", "newsletter"): 3,
}


@dataclass(frozen=True)
class Delivery:
    """Events that are posted together."""

    id: str
    events: Sequence[dict[str, Any]]

    def body(self) -> bytes:
        """As it goes over the wire."""
        return json.dumps({"events": self.events}).encode()

    def headers(self, body: bytes) -> dict[str, str]:
        """Signed now."""
        timestamp = str(int(time.time()))
        secret = standard_secret(SECRET, "secret")
        signature = sign(STANDARD_WEBHOOKS, secret, body, message_id=self.id, timestamp=timestamp)
        return {"webhook-id": self.id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def event(id_: str, email: str, kind: str, at: datetime | None = None, **properties: str) -> dict[str, Any]:
    """One event as the site tells it."""
    return {"id": id_, "type": kind, "email": email, "at": (at or datetime.now(UTC)).isoformat(), **properties}


def traffic(seed: int, events: int, people: int) -> list[Delivery]:
    """So many events of so many people at random times of the last days, in deliveries of different sizes."""
    dice, now = random.Random(seed), datetime.now(UTC)
    kinds = dice.choices([*KINDS], [*KINDS.values()], k=events)
    told = [
        event(f"e{n}", f"p{dice.randrange(people)}@acme.test", kind, now - dice.random() * OLDEST, **{name: value})
        for n, (kind, name, value) in enumerate(kinds)
    ]
    once = list(_grouped(dice, told))
    again = [Delivery(f"{each.id}-again", each.events) for each in dice.sample(once, len(once) // REPEATED)]
    return dice.sample([*once, *again], len(once) + len(again))


def _grouped(dice: random.Random, events: Sequence[dict[str, Any]]) -> Iterable[Delivery]:
    start = 0
    while start < len(events):
        end = start + dice.randint(1, LARGEST)
        yield Delivery(f"d{start}", events[start:end])
        start = end


@dataclass
class Seen:
    """What the senders saw.

    Attributes:
        accepted: ids of the events in deliveries that got their 202.
        answers: how often each status came, or each error instead of an answer.
        known: events that the answers called duplicates.
    """

    accepted: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    known: int = 0


class Senders:
    """Several senders that share the deliveries, and repeat each until it is acknowledged.

    Args:
        port: of the web process.
        patience: seconds for all of it.
    """

    def __init__(self, port: int, *, patience: float = 120.0) -> None:
        self.seen = Seen()
        self._port = port
        self._deadline = time.monotonic() + patience
        self._lock = threading.Lock()

    def send(self, deliveries: Iterable[Delivery]) -> Seen:
        """Return once every delivery got its 202.

        Raises:
            TimeoutError: one of them did not in time; the message says what came instead.
        """
        waiting: SimpleQueue[Delivery] = SimpleQueue()
        for delivery in deliveries:
            waiting.put(delivery)
        with ThreadPoolExecutor(SENDERS) as threads:
            working = [threads.submit(self._work, waiting) for _ in range(SENDERS)]
        for sender in working:
            sender.result()
        return self.seen

    def _work(self, waiting: SimpleQueue[Delivery]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        with suppress(Empty):
            while True:
                self._insist(connection, waiting.get_nowait())
        connection.close()

    def _insist(self, connection: http.client.HTTPConnection, delivery: Delivery) -> None:
        while not self._post(connection, delivery):
            if time.monotonic() > self._deadline:
                raise TimeoutError(f"delivery {delivery.id} was not acknowledged; answers so far: {self.seen.answers}")
            time.sleep(AGAIN)

    def _post(self, connection: http.client.HTTPConnection, delivery: Delivery) -> bool:
        """True if it was acknowledged."""
        body = delivery.body()
        try:
            connection.request("POST", "/hooks/site", body, delivery.headers(body))
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._note(type(error).__name__)
            return False
        self._note(str(answer.status), delivery if answer.status == http.HTTPStatus.ACCEPTED else None, said)
        return answer.status == http.HTTPStatus.ACCEPTED

    def _note(self, answer: str, acknowledged: Delivery | None = None, said: bytes = b"") -> None:
        with self._lock:
            self.seen.answers[answer] += 1
            if acknowledged:
                self.seen.known += json.loads(said)["duplicates"]
                self.seen.accepted += [each["id"] for each in acknowledged.events]

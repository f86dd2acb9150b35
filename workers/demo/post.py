"""Posting recorded deliveries over HTTP, signed as at the moment they are posted."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import local
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from workers.demo.signing import Keys
    from workers.demo.wire import Delivery

SENDERS: Final = 4
ACCEPTED: Final = 202


class Postman:
    """Posts from a few connections at once, as vendors do. A context manager.

    Args:
        url: where `dripline web` answers.
        keys: what the vendors sign with.

    Attributes:
        counts: what the answers added up to: `accepted`, `duplicates`, `quarantined`, `ignored` events, `refused`
            deliveries by status (`refused 400`), and `deliveries` themselves.
    """

    def __init__(self, url: str, keys: Keys) -> None:
        self.counts: Counter[str] = Counter()
        self._host = urlsplit(url).netloc
        self._keys = keys
        self._local = local()
        self._connections: list[HTTPConnection] = []
        self._threads = ThreadPoolExecutor(SENDERS, thread_name_prefix="postman")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        for connection in self._connections:
            connection.close()

    def post(self, wave: Iterable[Delivery], now: datetime) -> None:
        """Post all at once, and return when all are answered."""
        for counts in self._threads.map(lambda delivery: self._post(delivery, now), wave):
            self.counts.update(counts)

    def _post(self, delivery: Delivery, now: datetime) -> Counter[str]:
        connection = self._connection()
        connection.request(
            "POST", f"/hooks/{delivery.source}", delivery.body.encode(), self._keys.headers(delivery, now)
        )
        answer = connection.getresponse()
        body = json.loads(answer.read())
        if answer.status != ACCEPTED:
            return Counter({"deliveries": 1, f"refused {answer.status}": 1})
        return Counter({"deliveries": 1, **body})

    def _connection(self) -> HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = HTTPConnection(self._host, timeout=30)
            self._connections.append(self._local.connection)
        connection: HTTPConnection = self._local.connection
        return connection

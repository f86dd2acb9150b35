"""A running web application for tests: its source, its client, and what it was given."""

from __future__ import annotations

import http.client
import json
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from integrations.contracts import Handshake, Ignored, Incoming, Unreadable
from integrations.exceptions import BadSignature, Malformed, Unavailable, Unverifiable
from workers.web.app import create_app
from workers.web.server import CONNECTIONS, BackgroundServer, bind
from workers.web.sources import ActiveSources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Engine

    from integrations.contracts import Request
    from workers.clock import SteppedClock

SECRET = "a secret of thirty-two characters"
GOOD = {"x-signature": "good"}


class Plain:
    """A source whose body is a JSON list of what it wants to be; its signature is the word `good`."""

    def verify(self, request: Request) -> None:
        if request.headers.get("x-signature") == "crash":
            raise RuntimeError("a bug in verify")
        if request.headers.get("x-signature") == "unsure":
            raise Unverifiable("the certificate cannot be fetched")
        if request.headers.get("x-signature") != "good":
            raise BadSignature("x-signature is missing or wrong")

    def normalise(self, request: Request) -> Iterator[Incoming | Unreadable | Ignored]:
        try:
            parts = json.loads(request.body)
        except ValueError as error:
            raise Malformed("the body is not JSON") from error
        for part in parts:
            if part == "ignored":
                yield Ignored("not-wanted")
            elif part == "bug":
                raise ZeroDivisionError("a bug in normalise")
            elif part == "unreadable":
                yield Unreadable("no-identity", "there is no email", b'"unreadable"')
            else:
                yield event(part, request.received_at)


class Greeting(Plain):
    """The same, of a sender who says hello first, and whose signature takes time to check."""

    asks = True

    def __init__(self) -> None:
        self.verified_in: list[str] = []
        self.greeted_in: list[str] = []
        self.confirmed = 0

    def verify(self, request: Request) -> None:
        self.verified_in.append(current_thread().name)
        super().verify(request)

    def greet(self, request: Request) -> Handshake | None:
        self.greeted_in.append(current_thread().name)
        said = request.headers.get("x-hello")
        if said == "nonsense":
            raise Malformed("this is no greeting")
        return Handshake(b"hello yourself", "text/plain", self._confirm if said != "short" else None) if said else None

    def _confirm(self) -> None:
        if not self.confirmed:
            self.confirmed += 1
            raise Unavailable("they did not answer")
        self.confirmed += 1


def event(event_id: str, at: datetime, **changes: Any) -> Incoming:
    given = {
        "event_id": event_id, "type": "form.submitted", "occurred_at": at,
        "identities": (("email", "ann@acme.test"),), "payload": json.dumps(event_id).encode(),
    }  # fmt: skip
    return Incoming(**given | changes)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Web:
    """The application under test, and what it was given."""

    engine: Engine
    clock: SteppedClock
    server: BackgroundServer
    status_port: int
    """Where the status page is, if that is a port of its own."""
    offered: list[set[int]]
    active: list[ActiveSources | Exception]
    """The last one counts."""
    asked: list[str]
    """Versions that the application had when it asked for another one."""

    def request(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, port: int = 0
    ) -> Answer:
        conn = http.client.HTTPConnection(self.server.host, port or self.server.port, timeout=20)
        try:
            conn.request(method, path, body, dict(headers or {}))
            answer = conn.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            conn.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def deliver(self, *parts: Any, source: str = "plain", headers: Mapping[str, str] = GOOD) -> Answer:
        return self.request("POST", f"/hooks/{source}", json.dumps(parts), headers)

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as conn:
            return list(conn.execute(text(query)))

    def counted(self, name: str, **labels: str) -> float:
        """The value of one sample of `/metrics`; 0 if it is not there."""
        for family in text_string_to_metric_families(self.request("GET", "/metrics", port=self.status_port).text):
            for sample in family.samples:
                if (sample.name, sample.labels) == (name, labels):
                    return sample.value
        return 0.0


@contextmanager
def running(
    engine: Engine, clock: SteppedClock, *, connections: int = CONNECTIONS, apart: bool = False, **settings: Any
) -> Iterator[Web]:
    """The application with `settings`; with `apart`, the status page has a port of its own."""
    offered: list[set[int]] = []
    asked: list[str] = []
    sources = settings.pop("sources", {"plain": Plain()})
    active: list[Any] = [settings.pop("active", ActiveSources("one", sources))]

    def load(version: str) -> ActiveSources | None:
        asked.append(version)
        latest = active[-1]
        if isinstance(latest, Exception):
            raise latest
        return None if latest.version == version else latest

    given: dict[str, Any] = {
        "engine": engine, "load_sources": load, "offer": lambda slices: offered.append(set(slices)),
        "secret": SECRET, "clock": clock, "refresh_every": 0.05,
    }  # fmt: skip
    listeners = [bind("127.0.0.1", 0) for _ in range(2 if apart else 1)]
    status_port = listeners[-1].getsockname()[1]
    app = create_app(**given | settings, status_port=status_port if apart else None)
    server = BackgroundServer(app, *listeners, connections=connections)
    server.start()
    try:
        yield Web(engine, clock, server, status_port, offered, active, asked)
    finally:
        server.stop()

"""Received mail from a Maildir and from a real IMAP server into the event log of a real PostgreSQL."""

from __future__ import annotations

import imaplib
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from integrations.exceptions import ConfigurationError, Unavailable
from integrations.inbound import imap, maildir
from tests.conftest import NOW
from tests.integrations.inbound.samples import NAME, arf, dsn, reply
from tests.workers.processing import append, newsletter, run
from workers.exceptions import StoreUnavailable
from workers.inbound import Taken, take
from workers.store.database import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Engine

    from integrations.contracts import Inbox

PATIENCE = 20.0
MAILS = (dsn(), arf(), reply(), dsn("delayed"), b"From: nobody\r\n\r\n?")


def log(engine: Engine) -> list[Any]:
    with engine.connect() as conn:
        return list(conn.execute(text("SELECT type, subject FROM events ORDER BY id")))


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as conn:
        return list(conn.execute(text(query)))


class Box:
    """A mailbox, and how mail gets into it."""

    def __init__(self, inbox: Inbox, put: Callable[[bytes], None], unseen: Callable[[], int]) -> None:
        self.inbox, self.put, self.unseen = inbox, put, unseen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


@pytest.fixture
def local(folder: Path) -> Box:
    def put(raw: bytes) -> None:
        (folder / "new" / f"{len(list(folder.rglob('*.mail*'))):04}.mail").write_bytes(raw)

    return Box(maildir.Adapter(folder), put, lambda: len(list((folder / "new").iterdir())))


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """A real IMAP server with a mailbox in memory, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("pymap")), "--host", "127.0.0.1", "--port", str(port), "--no-tls"]
    command += ["--no-service", "managesieve", "dict", "--demo-data", "--demo-user", "ann", "--demo-password", "secret"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("the IMAP server does not answer")


@pytest.fixture
def remote(server: int) -> Iterator[Box]:
    with imaplib.IMAP4("127.0.0.1", server) as client:
        client.login("ann", "secret")
        client.select("INBOX")
        client.store("1:*", "+FLAGS", r"(\Seen)")

        def unseen() -> int:
            client.noop()
            return len(client.search(None, "UNSEEN")[1][0].split())

        def put(raw: bytes) -> None:
            client.append("INBOX", "", "", raw)

        inbox = imap.Adapter("127.0.0.1", "ann", "secret", security="none", port=server)
        yield Box(inbox, put, unseen)
        inbox.close()


@pytest.fixture(params=["local", "remote"])
def box(request: pytest.FixtureRequest) -> Box:
    found: Box = request.getfixturevalue(request.param)
    return found


def test_mail_becomes_events_and_is_marked_once_they_are_safe(box: Box, engine: Engine):
    for raw in MAILS:
        box.put(raw)
    offered: list[Any] = []
    assert take(box.inbox, engine, offered.append, NOW) == Taken(5, 3, 1, 1)
    assert log(engine) == [
        ("email.bounced", f"message:#{NAME}"), ("email.complained", f"message:#{NAME}"),
        ("email.replied", "email:ann@example.net"),
    ]  # fmt: skip
    assert [row[0] for row in rows(engine, "SELECT reason FROM quarantine")] == ["no-identity"]
    assert len(offered) == 1
    assert box.unseen() == 0
    assert take(box.inbox, engine, offered.append, NOW) == Taken()


def test_mail_stays_new_while_the_database_is_away_and_is_counted_once_afterwards(box: Box, engine: Engine):
    box.put(reply())
    nowhere = connect("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(StoreUnavailable):
        take(box.inbox, nowhere, lambda _: None, NOW)
    nowhere.dispose()
    assert box.unseen() == 1
    take(box.inbox, engine, lambda _: None, NOW)
    assert len(log(engine)) == 1


def test_a_mail_that_could_not_be_marked_is_no_second_event(local: Box, engine: Engine):
    local.put(reply())

    class Forgetful:
        def done(self, _: Any) -> None:
            raise Unavailable("gone")

        fetch, close = local.inbox.fetch, local.inbox.close

    with pytest.raises(Unavailable):
        take(Forgetful(), engine, lambda _: None, NOW)
    take(local.inbox, engine, lambda _: None, NOW)
    assert len(log(engine)) == 1


def test_a_bounce_stops_mail_to_whom_the_mail_went(local: Box, engine: Engine):
    append(engine, newsletter(1))
    run(engine)
    (name,) = [row[0] for row in rows(engine, "SELECT message_name FROM outbox WHERE message_name IS NOT NULL")]
    local.put(dsn(message_id=f"<{name}@acme.test>"))
    local.put(dsn(message_id=f"<{'f' * 32}@acme.test>"))  # of a mail that we never sent
    assert take(local.inbox, engine, lambda _: None, NOW).events == 2
    run(engine)
    assert rows(engine, "SELECT email, reason FROM suppressions") == [("ann@acme.test", "bounced")]
    assert rows(engine, "SELECT reason FROM quarantine") == [("unknown-message",)]
    assert rows(engine, "SELECT count(*) FROM leads") == [(1,)]


def test_a_server_that_is_away_or_refuses_says_so(server: int):
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        list(imap.Adapter("127.0.0.1", "ann", "secret", security="none", port=closed).fetch(1))
    with pytest.raises(Unavailable):
        list(imap.Adapter("127.0.0.1", "ann", "wrong", security="none", port=server).fetch(1))


def test_settings_that_cannot_be_used_are_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="no Maildir"):
        maildir.Adapter(tmp_path)
    with pytest.raises(ConfigurationError, match="starttls"):
        imap.Adapter("h", "u", "p", security="startls")

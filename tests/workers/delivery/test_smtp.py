"""From the outbox to a real SMTP server and back to the outbox."""

from __future__ import annotations

import json
import re
import socket
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller

from integrations import discovery
from integrations.contracts import Incoming, Request
from tests.conftest import NOW
from tests.contract.recorded import recorded
from tests.workers.delivery.world import COMPOSER, World
from tests.workers.processing import append, newsletter, run
from workers import tokens
from workers.delivery.senders import EmailSender
from workers.store import outbox
from workers.store.events import from_incoming
from workers.store.outbox import Effect
from workers.tokens import Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from sqlalchemy import Engine


class Inbox:
    """Takes mail, unless it was told what to answer instead; what comes after a mail was taken can be lost."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.answers: list[str] = []
        self.hang_up_after_taking = False

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        if self.answers:
            return self.answers.pop(0)
        self.raw.append(envelope.content)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        if self.hang_up_after_taking:
            server.transport.abort()
        return "250 queued as 4711"


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def sender(inbox: Inbox) -> Iterator[EmailSender]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    values = {
        "DRIPLINE_SMTP_HOST": "127.0.0.1", "DRIPLINE_SMTP_PORT": str(port), "DRIPLINE_SMTP_SECURITY": "none",
        "DRIPLINE_SMTP_TIMEOUT": "5", "DRIPLINE_SMTP_ACCEPT_TIMEOUT": "5",
    }  # fmt: skip
    adapter = discovery.build("email", "smtp", "smtp", values)
    yield EmailSender("smtp", adapter, lambda _version, _template: COMPOSER)
    adapter.close()
    controller.stop()


def test_what_arrives_is_what_the_outbox_says(engine: Engine, sender: EmailSender, inbox: Inbox):
    world = World(engine)
    world.mails(25, "hi")
    assert world.deliverer.run(sender).states == {"sent": 25}
    assert len(inbox.mails) == 25
    by_id = {row.message_name: row for row in world.rows()}
    for mail in inbox.mails:
        row = by_id[mail["message-id"].strip("<>").partition("@")[0]]
        assert mail["to"] == f"lead{row.lead_id}@acme.test"
        assert (row.state, row.provider_ref) == ("sent", "4711")
        assert mail["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"


def test_one_click_unsubscribing_stands_in_the_message_as_rfc_8058_wants_it(
    engine: Engine, sender: EmailSender, inbox: Inbox
):
    """On the bytes: a folded or encoded link, or a second header, and mail programs show no button."""
    world = World(engine)
    world.mails(1, "hi")
    world.put(Effect("mail:1:receipt:1:a", "email", 1, {"template": "receipt"}))
    world.deliverer.run(sender)
    marketing, receipt = (raw.partition(b"\r\n\r\n")[0].decode("ascii") for raw in inbox.raw)
    (link,) = re.findall(
        r"^List-Unsubscribe: ?(?:\r\n )?<(https://go\.acme\.test/unsubscribe/[\w-]+)>", marketing, re.MULTILINE
    )
    assert re.findall(r"^List-Unsubscribe-Post: List-Unsubscribe=One-Click\s*?$", marketing, re.MULTILINE)
    assert tokens.read("s" * 32, link.rpartition("/")[2], Unsubscribe) == Unsubscribe(1, "mail:1:welcome:1:hello")
    assert "lead1" not in link
    assert "list-unsubscribe" not in receipt.lower()


def test_a_refused_mail_is_dead_and_a_busy_server_is_tried_again(engine: Engine, sender: EmailSender, inbox: Inbox):
    world = World(engine)
    world.mails(3)
    inbox.answers = ["550 no such person", "451 busy"]
    assert world.deliverer.run(sender).states == {"dead": 1, "retry": 1, "sent": 1}
    world.step(seconds=5)
    assert world.deliverer.run(sender).states == {"sent": 1}
    assert len(inbox.mails) == 2


def test_a_server_that_takes_a_mail_and_hangs_up_leaves_it_ambiguous_and_never_gets_it_twice(
    engine: Engine, sender: EmailSender, inbox: Inbox
):
    world = World(engine)
    world.mails(1)
    inbox.hang_up_after_taking = True
    assert world.deliverer.run(sender).states == {"ambiguous": 1}
    inbox.hang_up_after_taking = False
    world.step(days=3)
    assert world.deliverer.run(sender).states == {}
    assert len(inbox.mails) == 1


def test_what_the_provider_says_of_the_mail_that_arrived_settles_it(engine: Engine, sender: EmailSender, inbox: Inbox):
    """Nothing is set by hand: the event names the Message-ID that stands in the mail, as SendGrid's `smtp-id` does."""
    append(engine, newsletter(1))
    run(engine)
    inbox.hang_up_after_taking = True
    world = World(engine)
    assert world.deliverer.run(sender).states == {"ambiguous": 1}
    (mail,) = inbox.mails
    append(engine, from_incoming("sendgrid", delivered(mail["to"], mail["message-id"])))
    assert run(engine).proved == 1
    assert (world.row().state, world.row().reason) == ("sent", outbox.EVIDENCE)


def delivered(to: str, message_id: str) -> Incoming:
    """The event that SendGrid sends, read as its deliveries are read."""
    source = next(case for case in recorded("sendgrid")).source
    said = {
        "email": to, "event": "delivered", "timestamp": int(NOW.timestamp()), "sg_event_id": "e1",
        "smtp-id": message_id,
    }  # fmt: skip
    (event,) = source.normalise(Request("POST", "", {}, json.dumps([said]).encode(), NOW))
    assert isinstance(event, Incoming)
    return event

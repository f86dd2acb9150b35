"""Mail servers and providers that take a mail and then lose the answer, in every way there is.

What becomes of a mail is drawn from a seed, its key and the number of the try, so a run can be repeated. A server keeps
every mail that it has taken, also those of which it told nobody.
"""

from __future__ import annotations

import json
import random
import re
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from integrations.posting import disarmoured
from tests.contract.comparing import form
from tests.contract.scripted import Server, answer_of, drop, read_request

if TYPE_CHECKING:
    from collections.abc import Callable

TAKES: Final = ("take", "take", "take and drop", "take and fall silent", "take and answer 500", "take and crash")
REFUSES: Final = ("refuse", "be busy", "drop", "answer 500")
FAR: Final = 64
"""Tries of one mail after which every server is in good order."""


@dataclass
class Hostile(Server):
    """Draws what becomes of each mail, and keeps count."""

    seed: int = 0
    moods: tuple[str, ...] = (*TAKES, *REFUSES)
    taken: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)

    def mood(self, key: str) -> str:
        """What becomes of this try."""
        self.tries[key] += 1
        drawn = random.Random(f"{self.seed} {key} {self.tries[key]}").choice(self.moods)
        return drawn if self.tries[key] < FAR else "take"

    def crash(self) -> None:
        """All connections break, as if the process had been killed and started anew."""
        for each in list(self.open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


# ── SMTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Smtp(Hostile):
    """A mail is known by its recipient. `extension` is one that it offers."""

    extension: str = ""

    def talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            connection.sendall(b"220 hostile\r\n")
            to = ""
            while line := reader.readline().decode().strip():
                command = line[:4].upper()
                if command == "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                replies = {"DATA": "354 go on", "QUIT": "221 bye", "EHLO": f"250-hostile\r\n250 {self.extension}"}
                connection.sendall(replies.get(command, "250 fine").encode() + b"\r\n")
                if command == "DATA" and not self._mail(connection, reader, to):
                    return

    def _mail(self, connection: socket.socket, reader: Any, to: str) -> bool:
        """One mail; False if nobody is to be talked to any more."""
        mood = self.mood(to)
        if mood == "drop":
            reader.readline()
            drop(connection)
            return False
        while (line := reader.readline()) not in {b".\r\n", b""}:
            pass
        if not line:  # it did not come whole: the server crashed meanwhile
            return False
        if mood.startswith("take"):
            self.taken[to] += 1
        if mood == "take and fall silent":
            self.silent()
        elif mood == "take and crash":
            self.crash()
        elif mood == "take and drop":
            drop(connection)
        else:
            # A server that says 5xx has refused, whatever it keeps: so what stands for HTTP's 500 is nonsense here.
            answers = {"take": "250 queued as 1", "refuse": "550 5.7.1 no", "take and answer 500": "what"}
            connection.sendall(answers.get(mood, "451 4.3.0 later").encode() + b"\r\n")
            return mood != "take and answer 500"
        return False


# ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Vendor:
    """How one provider is talked to.

    Attributes:
        keys: the keys of the mails in a request.
        consent: the step that says that they were taken.
        find: the step that answers a search, given the request and the keys that were taken; None if it has no search.
        remembers: it knows a key again, and takes no mail twice.
    """

    keys: Callable[[dict[str, Any]], list[str]]
    consent: Callable[[list[str]], dict[str, Any]]
    find: Callable[[dict[str, Any], list[str]], dict[str, Any]] | None = None
    remembers: bool = False


def ok(document: Any, status: int = 200) -> dict[str, Any]:
    return {"status": status, "json": document}


def postmark_find(request: dict[str, Any], taken: list[str]) -> dict[str, Any]:
    asked = parse_qs(urlsplit(request["path"]).query)["metadata_dripline_key"][0]
    return ok({"Messages": [{"MessageID": key, "Metadata": {"dripline_key": key}} for key in taken if key == asked]})


VENDORS: Final[dict[str, Vendor]] = {
    "sendgrid": Vendor(
        lambda request: [request["json"]["personalizations"][0]["custom_args"]["dripline_key"]],
        lambda _: {"status": 202, "body": ""},
        lambda _request, _taken: {"status": 403},
    ),
    "ses": Vendor(
        lambda request: [disarmoured(request["json"]["EmailTags"][0]["Value"])],
        lambda keys: ok({"MessageId": keys[0]}),
    ),
    "mailgun": Vendor(
        lambda request: [form(request)["v:dripline_key"][0].decode()],
        lambda keys: ok({"id": f"<{keys[0]}>"}),
        lambda _, taken: ok({"items": [{"event": "accepted", "user-variables": {"dripline_key": k}} for k in taken]}),
    ),
    "postmark": Vendor(
        lambda request: [
            each["Metadata"]["dripline_key"]
            for each in (request["json"] if isinstance(request["json"], list) else [request["json"]])
        ],
        lambda keys: ok([{"ErrorCode": 0, "MessageID": key} for key in keys] if len(keys) > 1 else
                        {"ErrorCode": 0, "MessageID": keys[0]}),
        postmark_find,
    ),
    "resend": Vendor(
        lambda request: [request["headers"]["idempotency-key"]], lambda keys: ok({"id": keys[0]}), remembers=True
    ),
    "brevo": Vendor(
        lambda request: [json.loads(request["json"]["headers"]["X-Mailin-custom"])["dripline_key"]],
        lambda keys: ok({"messageId": keys[0]}, 201),
        remembers=True,
    ),
    "mandrill": Vendor(
        lambda request: [request["json"]["message"]["metadata"]["dripline_key"]],
        lambda keys: ok([{"status": "queued", "_id": keys[0]}]),
        lambda _, taken: ok([{"_id": key, "metadata": {"dripline_key": key}} for key in taken]),
    ),
    "sparkpost": Vendor(
        lambda request: [request["json"]["recipients"][0]["metadata"]["dripline_key"]],
        lambda keys: ok({"results": {"total_accepted_recipients": 1, "id": keys[0]}}),
        lambda _, taken: ok({"results": [{"transmission_id": k, "rcpt_meta": {"dripline_key": k}} for k in taken]}),
    ),
}  # fmt: skip
SEARCHES: Final = re.compile(r"/(events|search|messages/outbound|v3/messages\?)")


@dataclass
class Http(Hostile):
    """A provider with an HTTP API."""

    vendor: Vendor = field(default_factory=lambda: VENDORS["sendgrid"])

    def talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while (request := read_request(reader)) is not None:
                if SEARCHES.search(request["path"]):
                    assert self.vendor.find
                    connection.sendall(answer_of(self.vendor.find(request, sorted(self.taken))))
                elif not self._send(connection, self.vendor.keys(request)):
                    return

    def _send(self, connection: socket.socket, keys: list[str]) -> bool:
        """One request; False if nobody is to be talked to any more."""
        mood = self._mood(keys)
        if mood in {"drop", "take and drop"}:
            drop(connection)
            return False
        if mood == "take and fall silent":
            self.silent()
            return False
        if mood == "take and crash":
            self.crash()
            return False
        steps = {"take": self.vendor.consent(keys), "refuse": {"status": 400, "body": "{}"}, "be busy": {"status": 429}}
        connection.sendall(answer_of(steps.get(mood, {"status": 500, "body": "oops"})))
        return True

    def _mood(self, keys: list[str]) -> str:
        """What becomes of the mails of a request, which are taken or refused together."""
        mood = self.mood(keys[0])
        if mood.startswith("take"):
            self.taken.update(key for key in keys if not (self.vendor.remembers and self.taken[key]))
        return mood

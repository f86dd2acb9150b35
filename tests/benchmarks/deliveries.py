"""Signed webhook deliveries, ready to be written to a socket."""

from __future__ import annotations

import base64
import json
import random
import time
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from integrations.signatures import STANDARD_WEBHOOKS, sign

SECRET: Final = b"a secret of the benchmarks alone"
"""Of the source `site`."""
KEY: Final = ec.derive_private_key(0xD81911, ec.SECP256R1())
"""Of the source `sendgrid`; made up, so that both processes have the same."""
TYPES: Final = ("form.submitted", "page.viewed", "content.downloaded", "webinar.attended", "meeting.booked")
FORMS: Final = 40
PAGES: Final = 200


def settings() -> dict[str, str]:
    """The environment that makes the sources accept these deliveries."""
    public = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "DRIPLINE_SITE_SECRET": "whsec_" + base64.b64encode(SECRET).decode(),
        "DRIPLINE_SENDGRID_VERIFICATION_KEY": base64.b64encode(public).decode(),
    }


def build(kind: str, number: int, host: str, *, run: str, people: int, size: int = 1) -> list[bytes]:
    """Requests of one kind.

    Args:
        kind: `single` (Standard Webhooks, one event each) or `batch` (SendGrid, `size` events each).
        run: makes event ids unique to this run.
        people: whose events these are, at random.
    """
    dice = random.Random(run)
    ids = [f"{run}-{n}" for n in range(number)]
    if kind == "single":
        return [_single(host, each, _site_event(dice, people)) for each in ids]
    return [_batch(host, [_mail_event(dice, people, f"{each}-{m}") for m in range(size)]) for each in ids]


def _single(host: str, message_id: str, event: dict[str, Any]) -> bytes:
    timestamp = str(int(time.time()))
    body = json.dumps(event).encode()
    signature = sign(STANDARD_WEBHOOKS, SECRET, body, message_id=message_id, timestamp=timestamp)
    headers = {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    return _request("/hooks/site", host, headers, body)


def naive_event(
    dice: random.Random, people: int, event_id: str
) -> tuple[str, str, str, dict[str, Any], dict[str, Any]]:
    """What a single event says, as arguments of the naive design: id, type, e-mail, properties, lead fields."""
    event = _site_event(dice, people)
    data = event["data"]
    lead = {name: data[name] for name in ("first_name", "employees", "country")}
    return event_id, event["type"], data["email"], {"form": data["form"], "url": data["url"]}, lead


def _batch(host: str, events: list[dict[str, Any]]) -> bytes:
    timestamp = str(int(time.time()))
    body = json.dumps(events).encode() + b"\r\n"
    signature = base64.b64encode(KEY.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))).decode()
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": signature,
        "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
    }
    return _request("/hooks/sendgrid", host, headers, body)


def _site_event(dice: random.Random, people: int) -> dict[str, Any]:
    person = dice.randrange(people)
    return {
        "type": dice.choice(TYPES),
        "data": {
            "email": f"person{person}@company{person % 500}.test",
            "first_name": "Ann",
            "employees": person % 5000,
            "country": dice.choice(["US", "DE", "FR", "GB"]),
            "form": f"form-{dice.randrange(FORMS)}",
            "url": f"https://northwind.example/page-{dice.randrange(PAGES)}",
        },
    }


def _mail_event(dice: random.Random, people: int, event_id: str) -> dict[str, Any]:
    person = dice.randrange(people)
    return {
        "email": f"person{person}@company{person % 500}.test",
        "timestamp": int(time.time()),
        "event": dice.choices(["delivered", "open", "click"], [2, 3, 5])[0],
        "url": f"https://northwind.example/page-{dice.randrange(PAGES)}",
        "sg_event_id": event_id,
        "sg_message_id": f"{event_id}.filterdrecv-5645d9c87f-78xmx",
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "category": ["newsletter"],
        "useragent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
        "ip": "203.0.113.7",
    }


def _request(path: str, host: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "User-Agent: benchmark/1",
        "Accept: */*",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

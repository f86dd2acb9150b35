"""How the recording was made: `python -m workers.demo.record` writes it again, the same to the last character.

What goes wrong on real webhooks is in it: retries (the same delivery twice), late and out-of-order deliveries, machine
opens, parts that name nobody, bodies cut off on the way, and kinds of events that we do not want.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from workers.demo.behaviour import END, START, Life, live
from workers.demo.people import cast
from workers.demo.wire import Delivery, MailEvent, form_response, mail_events, product_event, token

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from workers.demo.behaviour import Act
    from workers.demo.people import Person

SEED: Final = 20260907
RECORDING: Final = Path(__file__).with_name("recording.jsonl.gz")
BATCH_WINDOW: Final = timedelta(minutes=10)
BATCH_SIZE: Final = 60
LATE: Final = 0.015
RETRIED: Final = 0.03


def read(path: Path = RECORDING) -> list[Delivery]:
    """The recorded deliveries in the order in which they are posted."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = [json.loads(line) for line in lines]
    return [Delivery(datetime.fromisoformat(row.pop("at")), **row) for row in rows]


def text() -> str:
    """The whole recording as JSON lines."""
    return "".join(json.dumps(as_row(delivery), ensure_ascii=False) + "\n" for delivery in record())


def as_row(delivery: Delivery) -> dict[str, str]:
    """One line of the recording."""
    return {
        "at": delivery.at.isoformat(),
        "source": delivery.source,
        "id": delivery.id,
        "kind": delivery.kind,
        "body": delivery.body,
    }


def write(path: Path = RECORDING) -> None:
    """Write the recording; no time stamp inside, so that equal content gives equal bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(text().encode())


def record() -> list[Delivery]:
    """Six hundred people's forty-five days, as the vendors would have posted them."""
    rng = Random(SEED)  # noqa: S311 - a recording that can be made again, not a secret
    lives = [live(rng, person) for person in cast(rng)]
    deliveries = [delivery for life in lives for delivery in own_deliveries(life)]
    mails = [mail for life in lives for mail in apart(life.mails)]
    deliveries += mail_deliveries(rng, mails)
    deliveries = [delayed(rng, delivery) for delivery in deliveries]
    deliveries += [*faults(rng, [life.person for life in lives]), *retries(rng, deliveries)]
    return sorted((d for d in deliveries if START < d.at < END), key=lambda d: (d.at, d.source, d.id, d.kind))


def apart(mails: Iterable[MailEvent]) -> Iterator[MailEvent]:
    """No two events of one person in the same second: vendors' seconds would leave their order to chance."""
    last: datetime | None = None
    for mail in sorted(mails, key=lambda mail: mail.at):
        last = mail.at if last is None or mail.at > last else last + timedelta(seconds=1)
        yield replace(mail, at=last)


def own_deliveries(life: Life) -> Iterator[Delivery]:
    """Forms and product events: one each, posted within seconds."""
    last: datetime | None = None
    for act in sorted(life.acts, key=lambda act: act.at):
        last = act.at if last is None or act.at > last else last + timedelta(seconds=1)
        yield delivery_of(replace(act, at=last), life.person)


def delivery_of(act: Act, person: Person) -> Delivery:
    """One act as its vendor posts it."""
    posted = act.at + timedelta(seconds=2)
    if act.source == "typeform":
        body = form_response(act.at, act.name, person, act.data)
        return Delivery(posted, "typeform", token(body), "form", body)
    data = dict(act.data)
    profile = data.pop("profile", {})
    body = product_event(act.at, act.name, person, {**data, **profile})
    return Delivery(posted, "product", f"msg_{token(body)}", "product", body)


def mail_deliveries(rng: Random, mails: list[MailEvent]) -> Iterator[Delivery]:
    """SendGrid collects events for a while and posts them together, in no particular order."""
    batch: list[MailEvent] = []
    for mail in sorted(mails, key=lambda mail: (mail.at, mail.email)):
        if batch and (mail.at - batch[0].at > BATCH_WINDOW or len(batch) == BATCH_SIZE):
            yield batch_delivery(rng, batch)
            batch = []
        batch.append(mail)
    if batch:
        yield batch_delivery(rng, batch)


def batch_delivery(rng: Random, batch: list[MailEvent]) -> Delivery:
    """One post of the Event Webhook."""
    posted = max(mail.at for mail in batch) + timedelta(seconds=30)
    shuffled = list(batch)
    rng.shuffle(shuffled)
    body = mail_events(shuffled)
    return Delivery(posted, "sendgrid", token(body), "mail", body)


def delayed(rng: Random, delivery: Delivery) -> Delivery:
    """One in many comes hours late, after events that are younger."""
    if rng.random() >= LATE:
        return delivery
    return replace(delivery, at=delivery.at + timedelta(seconds=rng.randrange(2 * 3600, 40 * 3600)), kind="late")


def retries(rng: Random, deliveries: list[Delivery]) -> Iterator[Delivery]:
    """The vendor did not hear our answer and posts the same again."""
    for delivery in deliveries:
        if rng.random() < RETRIED:
            later = timedelta(seconds=rng.randrange(5, 20 * 60))
            yield replace(delivery, at=delivery.at + later, kind="duplicate")


def faults(rng: Random, people: list[Person]) -> Iterator[Delivery]:
    """What is signed and cannot be used, each in its vendor's own way."""
    for number in range(24):
        at = START + timedelta(days=1, seconds=rng.randrange(43 * 86400))
        kind = ("partial", "nobody", "test-event", "no-user")[number % 4]
        yield fault(at, kind, rng.choice(people))
    for _ in range(2):
        at = START + timedelta(days=1, seconds=rng.randrange(43 * 86400))
        body = product_event(at, "page.viewed", people[0], {"url": "https://northwind.example/pricing"})
        yield Delivery(at, "product", f"msg_{token(body, 'cut')}", "broken", body[:-20])


def fault(at: datetime, kind: str, person: Person) -> Delivery:
    """One delivery that is no use, by kind."""
    if kind == "partial":  # somebody gave up half-way through a form; ignored on purpose
        body = form_response(at, "demo", person, {"first_name": person.first_name}, "form_response_partial")
        return Delivery(at, "typeform", token(body), kind, body)
    if kind == "nobody":  # a form that did not insist on the address
        body = form_response(at, "newsletter", None, {"first_name": person.first_name})
        return Delivery(at, "typeform", token(body), kind, body)
    if kind == "test-event":
        body = mail_events([MailEvent(at, "", "delivered", "test", {"response": "250 OK"})])
        return Delivery(at, "sendgrid", token(body), kind, body)
    body = product_event(at, "product.dashboard_created", None, {})
    return Delivery(at, "product", f"msg_{token(body)}", kind, body)


if __name__ == "__main__":
    write()

"""A CRM on loopback that speaks HubSpot's wire format and refuses what HubSpot refuses.

It knows contacts, deals, notes, owners and associations: enough for a promotion. Deals have a custom property with
unique values (`dripline_promotion_key` unless told otherwise), as the set-up guide asks for in a real account.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OBJECTS: Final = r"/crm/(?:v3/objects|objects/2026-09)/(?P<kind>contacts|deals|notes)"
LINK: Final = (
    r"/crm/(?:v4/objects|objects/2026-09|associations/2026-09|v4/associations)/(?P<kind>contacts|deals|notes)/(?P<id>[^/]+)"
    r"/associations/default/(?P<other>contacts|deals)/(?P<to>[^/]+)"
)
KNOWN: Final = {
    "contacts": {"email", "firstname", "lastname", "phone", "jobtitle", "company"},
    "deals": {
        *("dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "closedate", "hubspot_owner_id"),
        *("description", "dripline_promotion_key", "hs_priority"),
    },
    "notes": {"hs_timestamp", "hs_note_body", "hubspot_owner_id"},
}
REQUIRED: Final = {"contacts": {"email"}, "deals": {"dealname", "dealstage"}, "notes": {"hs_timestamp"}}
STAGES: Final = {"appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "closedwon", "closedlost"}
MADE_AT: Final = "2026-01-01T00:00:00.000Z"
TOKEN: Final = "pat-demo"  # noqa: S105 - opens nothing but this stub
LOST: Final = 0
"""A fault: the work is done and the connection closed without an answer."""


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, category: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"status": "error", "message": message, "correlationId": "0" * 32, "category": category}


@dataclass(slots=True)
class Record:
    """One object of the CRM."""

    id: str
    properties: dict[str, str]


@dataclass(slots=True)
class Store:
    """What the CRM holds.

    Attributes:
        unique: per kind, the properties that may be used to find a record.
        links: (kind, id, other kind, other id).
        faults: what to answer next instead of success: an HTTP status, or `LOST`.
    """

    unique: Mapping[str, set[str]]
    objects: dict[str, dict[str, Record]] = field(default_factory=lambda: {"contacts": {}, "deals": {}, "notes": {}})
    links: set[tuple[str, str, str, str]] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)
    faults: deque[int] = field(default_factory=deque)
    lock: Lock = field(default_factory=Lock)

    def find(self, kind: str, name: str, value: str) -> Record | None:
        """The one record with this value in a unique property; by `hs_object_id`, the one with this id."""
        if name == "hs_object_id":
            return self.objects[kind].get(value)
        if name not in self.unique.get(kind, ()):
            raise Refused(400, "VALIDATION_ERROR", f"{name} is not a unique property of {kind}")
        return next(
            (r for r in self.objects[kind].values() if r.properties.get(name, "").lower() == value.lower()), None
        )

    def create(self, kind: str, properties: Mapping[str, Any]) -> Record:
        """A new record."""
        check(kind, properties)
        if lacking := REQUIRED[kind] - properties.keys():
            raise Refused(400, "VALIDATION_ERROR", f"required properties are missing: {', '.join(sorted(lacking))}")
        for name in self.unique.get(kind, ()):
            if name in properties and self.find(kind, name, properties[name]):
                raise Refused(409, "CONFLICT", f"a record with this {name} exists already")
        total = sum(len(records) for records in self.objects.values())
        record = Record(str(10_000 + total), dict(properties))
        self.objects[kind][record.id] = record
        return record

    def upsert(self, kind: str, item: Mapping[str, Any]) -> tuple[Record, bool]:
        """Find by a unique property and change, or create. True if it is new."""
        name, value = item.get("idProperty", "hs_object_id"), item["id"]
        properties = item["properties"]
        check(kind, properties)
        record = self.find(kind, name, value)
        if record is None:
            return self.create(kind, {**properties, name: value}), True
        record.properties.update(properties)
        return record, False


def check(kind: str, properties: Mapping[str, Any]) -> None:
    """Refuse unknown properties, values that are no text, and what the property itself does not take."""
    for name, value in properties.items():
        if name not in KNOWN[kind]:
            raise Refused(400, "VALIDATION_ERROR", f'Property "{name}" does not exist')
        if not isinstance(value, str):
            raise Refused(400, "VALIDATION_ERROR", f"Cannot deserialize value of {name}: expected text")
    if not re.fullmatch(r"(\d+(\.\d+)?)?", properties.get("amount", "")):
        raise Refused(400, "VALIDATION_ERROR", f"{properties['amount']} was not a valid number")
    if properties.get("dealstage", "qualifiedtobuy") not in STAGES:
        raise Refused(400, "VALIDATION_ERROR", f"{properties['dealstage']} is no stage of the pipeline")
    if "@" not in properties.get("email", "@"):
        raise Refused(400, "VALIDATION_ERROR", f"Email address {properties['email']} is invalid")


class Handler(BaseHTTPRequestHandler):
    """One connection; answers are JSON with a length, so that it stays open."""

    protocol_version = "HTTP/1.1"
    # Head and body go out in two writes: Nagle's algorithm would hold the second back for the client's delayed ACK.
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Read."""
        self.answer("GET")

    def do_POST(self) -> None:
        """Create, or create-or-change."""
        self.answer("POST")

    def do_PUT(self) -> None:
        """Associate."""
        self.answer("PUT")

    def answer(self, method: str) -> None:
        """Route, and turn refusals into HubSpot's error body."""
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        store = self.server.store
        try:
            with store.lock:
                fault = store.faults.popleft() if store.faults else None
                if fault:
                    raise Refused(fault, "RATE_LIMITS" if fault == 429 else "INTERNAL", "made to fail")  # noqa: PLR2004, TRY301 - a status code
                body = self.route(method, json.loads(raw or b"{}"))
            if fault == LOST:
                self.close_connection = True
                return
            self.reply(200, body)
        except Refused as refused:
            self.reply(refused.status, refused.body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # JSON of another shape
            self.reply(400, Refused(400, "VALIDATION_ERROR", f"Invalid input JSON: {error!r}").body)

    def route(self, method: str, body: Any) -> Any:
        """What a request asks for."""
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            raise Refused(401, "INVALID_AUTHENTICATION", "The access token is missing or wrong")
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        for verb, pattern, action in ROUTES:
            match = re.fullmatch(pattern, url.path)
            if match and verb == method:
                where = {name: unquote(part) for name, part in match.groupdict().items()}
                return action(self.server.store, where, query, body)
        raise Refused(404, "OBJECT_NOT_FOUND", f"no such resource: {method} {url.path}")

    def reply(self, status: int, body: Any) -> None:
        """Send JSON."""
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json;charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:  # noqa: PLR2004 - the status code
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet: what matters stands in the store."""


def shown(record: Record, **more: Any) -> dict[str, Any]:
    """A record as HubSpot shows it."""
    properties = {**record.properties, "hs_object_id": record.id}
    return {
        "id": record.id,
        "properties": properties,
        "createdAt": MADE_AT,
        "updatedAt": MADE_AT,
        "archived": False,
        **more,
    }


def batch_upsert(store: Store, where: Mapping[str, str], _query: object, body: Any) -> Any:
    """`POST …/{kind}/batch/upsert`; all or nothing is not promised by HubSpot, and not kept here."""
    if not 1 <= len(body["inputs"]) <= 100:  # noqa: PLR2004 - HubSpot's limit
        raise Refused(400, "VALIDATION_ERROR", "a batch holds 1 to 100 inputs")
    results = [store.upsert(where["kind"], item) for item in body["inputs"]]
    rows = [shown(record, new=new) for record, new in results]
    return {"status": "COMPLETE", "results": rows, "startedAt": MADE_AT, "completedAt": MADE_AT}


def create(store: Store, where: Mapping[str, str], _query: object, body: Any) -> Any:
    """`POST …/{kind}`, with associations if given."""
    record = store.create(where["kind"], body["properties"])
    for association in body.get("associations", ()):
        to = association["to"]["id"]
        other = next((kind for kind, records in store.objects.items() if to in records), "")
        associate(store, {"kind": where["kind"], "id": record.id, "other": other, "to": to}, {}, None)
    return shown(record)


def read(store: Store, where: Mapping[str, str], query: Mapping[str, str], _body: object) -> Any:
    """`GET …/{kind}/{id}?idProperty=`."""
    record = store.find(where["kind"], query.get("idProperty", "hs_object_id"), where["id"])
    if record is None:
        raise Refused(404, "OBJECT_NOT_FOUND", "Object not found")
    return shown(record)


def associate(store: Store, where: Mapping[str, str], _query: object, _body: object) -> Any:
    """`PUT …/associations/default/…`; saying it twice changes nothing."""
    for kind, identity in ((where["kind"], where["id"]), (where["other"], where["to"])):
        if identity not in store.objects.get(kind, {}):
            raise Refused(404, "OBJECT_NOT_FOUND", f"{kind} {identity} does not exist")
    store.links.add((where["kind"], where["id"], where["other"], where["to"]))
    return {"status": "COMPLETE", "results": []}


def owners(store: Store, _where: object, query: Mapping[str, str], _body: object) -> Any:
    """`GET /crm/v3/owners?email=`."""
    email = query.get("email", "")
    found = [email] if email in store.owners else [] if email else list(store.owners)
    return {"results": [{"id": store.owners[each], "email": each, "archived": False} for each in found]}


ROUTES: Final[tuple[tuple[str, str, Callable[..., Any]], ...]] = (
    ("POST", OBJECTS + "/batch/upsert", batch_upsert),
    ("POST", OBJECTS, create),
    ("GET", OBJECTS + "/(?P<id>[^/]+)", read),
    ("PUT", LINK, associate),
    ("GET", r"/crm/(?:v3/owners|owners/2026-09)/?", owners),
)


class Server(ThreadingHTTPServer):
    """The listening socket, with what its handlers share."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], token: str, store: Store) -> None:
        super().__init__(address, Handler)
        self.token = token
        self.store = store


class HubSpotStub:
    """The CRM, running while the context manager is open.

    Args:
        token: the bearer token that it wants.
        unique: the deal property with unique values.
        owners: e-mail -> owner id.

    Attributes:
        store: what it holds; `store.faults` makes it fail.
    """

    def __init__(
        self, token: str = TOKEN, *, unique: str = "dripline_promotion_key", owners: Mapping[str, str] | None = None
    ) -> None:
        self.token = token
        self.store = Store({"contacts": {"email"}, "deals": {unique}}, owners=dict(owners or {}))
        self._server = Server(("127.0.0.1", 0), token, self.store)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="hubspot-stub", daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def deals(self) -> list[dict[str, str]]:
        """The properties of every deal, in the order they were made."""
        with self.store.lock:
            return [dict(record.properties) for record in self.store.objects["deals"].values()]

    def deals_by_contact(self) -> list[tuple[str, dict[str, str]]]:
        """Each deal's properties, with the e-mail address of the contact that it is associated with."""
        with self.store.lock:
            contacts, deals = self.store.objects["contacts"], self.store.objects["deals"]
            return [
                (contacts[to].properties["email"], dict(deals[identity].properties))
                for kind, identity, other, to in sorted(self.store.links)
                if (kind, other) == ("deals", "contacts")
            ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

"""Any sender that signs as Standard Webhooks 1.0.0 says (standardwebhooks.com), with a field mapping of your own.

Options in the rule file; every path is dotted, a number in it is a place in a list:

- `type`: path to the event's type; default `type`.
- `types`: their types and ours (`{signup: product.signed_up}`); `ignore` drops a type on purpose. A type that is not
  listed passes if it already is a dotted lower-case name.
- `occurred_at`: path to the time, ISO 8601 or seconds or milliseconds since 1970; default `timestamp`. An event
  without one happened when it was received.
- `identity`: kinds of identity and their paths, strongest first; default `{email: data.email}`.
- `lead`, `properties`: lead fields and event properties with their paths; or one path to an object, whose plain
  members are all taken.
- `batch`: path to a list of events (`.` if the body is that list); then all other paths start at one of them.
- `event_id`: path to the event's id; default is the header `webhook-id`, in a batch with the place in the list.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Ignored, Incoming
from integrations.exceptions import ConfigurationError, Malformed, Unusable
from integrations.options import check_keys, path_option, table_option, text_option
from integrations.reading import (
    LONGEST_IDENTITY,
    at_path,
    email_identity,
    is_event_type,
    kind_of,
    mapping,
    occurred_at,
    parse_json,
    plain,
    read_each,
    read_part,
    read_single,
    text,
)
from integrations.signatures import STANDARD_WEBHOOKS, SVIX, standard_secret, verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from integrations.contracts import Request, Unreadable
    from integrations.reading import Read
    from integrations.signatures import Scheme

Path = tuple[str, ...]
IGNORE: Final = "ignore"
NO_ID: Final = "no-event-id"
OURS: Final = "dripline"
"""Kind of the identity by which our own events name a lead."""
SCALARS: Final = frozenset({str, int, float, bool})
OPTIONS: Final = ("type", "types", "occurred_at", "identity", "lead", "properties", "batch", "event_id")


@dataclass(frozen=True, slots=True)
class Plan:
    """The options, checked, every path in its steps.

    Attributes:
        lead, properties: a path per name, or the path to an object that is taken whole.
        batch: where the list of events stands; None if the body is one event.
        event_id: None for the header.
    """

    type: Path
    types: Mapping[str, str]
    occurred_at: Path
    identity: Mapping[str, Path]
    lead: Mapping[str, Path] | Path
    properties: Mapping[str, Path] | Path
    batch: Path | None
    event_id: Path | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """A sender that follows Standard Webhooks 1.0.0 (`v1` signatures; `svix-` headers are taken as well).

    Attributes:
        secret: `whsec_…` as the sender shows it.
        previous_secret: still accepted while the secret is being replaced.
        tolerance: how far the signed timestamp may be from the time of receipt, either way.
    """

    secret: str = field(repr=False)
    previous_secret: str = field(default="", repr=False)
    tolerance: timedelta = timedelta(minutes=5)
    options: Mapping[str, Any] = field(default_factory=dict)
    _secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _schemes: tuple[Scheme, Scheme] = field(init=False, repr=False, compare=False)
    _plan: Plan = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Decode the secrets and check the options."""
        secrets = [standard_secret(self.secret, "secret")]
        if self.previous_secret:
            secrets.append(standard_secret(self.previous_secret, "previous_secret"))
        object.__setattr__(self, "_secrets", tuple(secrets))
        schemes = tuple(replace(scheme, tolerance=self.tolerance) for scheme in (STANDARD_WEBHOOKS, SVIX))
        object.__setattr__(self, "_schemes", schemes)
        object.__setattr__(self, "_plan", self.read_options(self.options))

    @staticmethod
    def read_options(options: Mapping[str, Any]) -> Plan:
        """What to read where, by the options."""
        return make_plan(check_keys(options, OPTIONS, "standard"))

    @staticmethod
    def lead_fields(options: Mapping[str, Any]) -> Mapping[tuple[str, ...], str]:
        """The lead fields that options name, by the keys that lead to each; none where an object is taken whole."""
        named = options.get("lead")
        return {("lead", name): name for name in named} if isinstance(named, dict) else {}

    def verify(self, request: Request) -> None:
        """Check id, timestamp and signature."""
        standard, svix = self._schemes
        verify(svix if svix.signature_header in request.headers else standard, self._secrets, request)

    def normalise(self, request: Request) -> Iterable[Incoming | Unreadable | Ignored]:
        """The event, or the events, of one delivery."""
        body = parse_json(request.body)
        read = self._reader(request)
        if self._plan.batch is not None:
            return read_each(_batch(body, self._plan.batch), read, request.body)
        if not isinstance(body, dict):
            raise Malformed(f"the body is {kind_of(body)}, an object is needed; for a list, set the option 'batch'.")
        return [read_single(body, read, request.body)]

    def read_part(self, request: Request, place: int) -> Incoming | Unreadable | Ignored:
        """One event of a batch, which is the body alone."""
        return read_part(request.body, place, self._reader(request))

    def _reader(self, request: Request) -> Read:
        """Reads events of one delivery; those of a batch are called by its id and their place."""
        delivery_id = request.headers.get(STANDARD_WEBHOOKS.id_header) or request.headers.get(SVIX.id_header) or ""
        plan, received_at = self._plan, request.received_at

        def read(part: Any, own: bytes, place: int | None) -> Incoming | Ignored:
            event_id = delivery_id if place is None else f"{delivery_id}:{place}"
            return read_event(plan, part, own, event_id, received_at)

        return read


def _batch(body: Any, path: Path) -> list[Any]:
    batch = at_path(body, path)
    if not isinstance(batch, list):
        raise Malformed(f"at the path of the option 'batch' is {kind_of(batch)}, a list of events is needed.")
    return batch


def make_plan(options: Mapping[str, Any]) -> Plan:
    """The options in the form that reading needs.

    Raises:
        ConfigurationError: an option has the wrong shape; the message names it.
    """
    identity = table_option(options, "identity", "email: data.email") or {"email": "data.email"}
    if OURS in identity:
        says = f"'{OURS}' is the kind of identity by which our own events name a lead; call it otherwise."
        raise ConfigurationError(says, option=("identity", OURS))
    return Plan(
        type=_path(options, "type", "type"),
        types=_types(table_option(options, "types", "signup: product.signed_up")),
        occurred_at=_path(options, "occurred_at", "timestamp"),
        identity={kind: path_option(path, "identity", kind) for kind, path in identity.items()},
        lead=_paths(options, "lead", "first_name: data.first_name"),
        properties=_paths(options, "properties", "url: data.url"),
        batch=_path(options, "batch", "") if "batch" in options else None,
        event_id=_path(options, "event_id", "") if "event_id" in options else None,
    )


def _types(types: dict[str, str]) -> dict[str, str]:
    for theirs, ours in types.items():
        if ours != IGNORE and not is_event_type(ours):
            raise ConfigurationError(
                f"'types.{theirs}' is '{ours}'; write a dotted lower-case name such as product.signed_up, or {IGNORE}.",
                option=("types", theirs),
            )
    return types


def _path(options: Mapping[str, Any], key: str, default: str) -> Path:
    return path_option(text_option(options, key, default), key)


def _paths(options: Mapping[str, Any], key: str, example: str) -> Mapping[str, Path] | Path:
    if isinstance(options.get(key), str):
        return _path(options, key, "data")
    return {name: path_option(path, key, name) for name, path in table_option(options, key, example).items()}


# ── one event ────────────────────────────────────────────────────────────────────────────────────────────────


def read_event(plan: Plan, part: Any, own: bytes, event_id: str, received_at: datetime) -> Incoming | Ignored:
    """One event by the plan; `event_id` is what it is called if the plan has no path to an id.

    Raises:
        Unusable: something that an event needs is missing or of the wrong kind.
    """
    event = mapping(part, "the event")
    kind = _event_type(plan, event)
    if kind == IGNORE:
        return Ignored("ignored-type")
    at = at_path(event, plan.occurred_at)
    return Incoming(
        event_id=text(event_id if plan.event_id is None else at_path(event, plan.event_id), "its id", reason=NO_ID),
        type=kind,
        occurred_at=received_at if at is None else occurred_at(at, received_at, ".".join(plan.occurred_at)),
        identities=_identities(plan, event),
        properties=_values(plan.properties, event),
        lead=_values(plan.lead, event),
        payload=own,
    )


def _event_type(plan: Plan, event: dict[str, Any]) -> str:
    given = at_path(event, plan.type)
    if isinstance(given, str) and given in plan.types:
        return plan.types[given]
    if not isinstance(given, str) or not is_event_type(given):
        path = ".".join(plan.type)
        raise Unusable("unknown-type", f"{path} is no dotted lower-case name and not listed in the option 'types'.")
    return given


def _identities(plan: Plan, event: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    found = []
    for kind, path in plan.identity.items():
        value = at_path(event, path)
        if value is None or value == "":
            continue
        name = ".".join(path)
        found.append(email_identity(value, name) if kind == "email" else (kind, text(value, name, LONGEST_IDENTITY)))
    if not found:
        paths = ", ".join(".".join(path) for path in plan.identity.values())
        raise Unusable("no-identity", f"nothing stands at {paths}, so nobody can be said to have done this.")
    return tuple(found)


def _values(paths: Mapping[str, Path] | Path, event: dict[str, Any]) -> dict[str, Any]:
    if isinstance(paths, tuple):
        members = at_path(event, paths)
        return _plain_members(members) if isinstance(members, dict) else {}
    found = {}
    for name, path in paths.items():
        value = at_path(event, path)
        if value is not None:
            found[name] = value if value.__class__ in SCALARS else plain(value, ".".join(path))
    return found


def _plain_members(members: dict[str, Any]) -> dict[str, Any]:
    """Members that rules can ask about; objects and lists of them stay in the payload only."""
    return {
        name: value
        for name, value in members.items()
        if value is not None
        and not isinstance(value, dict)
        and not (isinstance(value, list) and any(isinstance(each, dict | list) for each in value))
    }

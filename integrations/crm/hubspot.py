"""HubSpot: a contact, a deal, and the link between them.

Every step may be repeated. The contact is upserted by its e-mail address. The deal is upserted by a property of its own
that holds the promotion's key and that HubSpot keeps unique (in HubSpot: Settings, Properties, Deal properties, a
single-line text with "Require unique values"). A deal that is there already is left as sales have made it. The
hand-off note is the deal's description, because a note of its own would have nothing unique to be found by again.

Facts: developers.hubspot.com/docs/api-reference, version 2026-09 of the CRM API.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

from integrations.contracts import Accepted
from integrations.exceptions import Rejected, Unavailable, Unknown
from integrations.transport import Answer, OverHttp, check_token, retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from integrations.contracts import Person, Promotion

OBJECTS: Final = "/crm/objects/2026-09"
OWNERS: Final = "/crm/owners/2026-09"
OWNER_KEPT: Final = 3600.0
"""Seconds that an owner's id is remembered."""

TOKEN: Final = frozenset({401, 403})
TOKEN_WAIT: Final = timedelta(minutes=10)
"""A token that is refused, or lacks a scope, needs a person; no lead should be given up for it meanwhile."""
DAILY_WAIT: Final = timedelta(hours=1)
"""The daily limit ends at midnight of the account's own time zone, which we do not know: look every hour."""
BURST_WAIT: Final = timedelta(seconds=10)
LATER: Final = frozenset({408, 409, 423, 425, 477})
"""Refusals that are about the moment: 409 is two writers at once, 423 a locked record, 477 an account being moved."""
BUSY: Final = frozenset({"RATE_LIMITS", "RATE_LIMIT", "CONFLICT", "INTERNAL_ERROR"})
"""Categories of an error inside a batch's answer that are about the moment."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """A HubSpot account.

    Attributes:
        token: of a private app or service key with the scopes crm.objects.contacts.write, crm.objects.deals.write,
            crm.objects.deals.read and crm.objects.owners.read.
        key_property: internal name of the deal property that holds the promotion's key and requires unique values.
        base_url: another host for tests, or for an account in another region.
    """

    takes_key: ClassVar[bool] = True

    token: str = field(repr=False)
    key_property: str = "dripline_promotion_key"
    base_url: str = "https://api.hubapi.com"
    _owners: dict[str, tuple[str, float]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_token(self.token, "token")
        self.connect(self.base_url, {"authorization": f"Bearer {self.token}"})

    def promote(self, promotion: Promotion) -> Accepted:
        """Create contact and deal and link them; the reference is the deal's id.

        Raises:
            Rejected: HubSpot refused the data, or knows no user with the owner's e-mail.
            Unavailable: a limit, a lock, a refused token, or HubSpot's own trouble; repeating it is safe.
            Unknown: raised by the transport, or HubSpot's answer could not be understood.
        """
        if not promotion.person.email:
            raise Rejected("NO_EMAIL", "a contact is found by e-mail address, and this lead has none.")
        contact = self._upsert("contacts", "email", promotion.person.email, contact_properties(promotion.person))
        deal = self._find_deal(promotion.key) or self._create_deal(promotion)
        link = f"{OBJECTS}/deals/{quote(deal, safe='')}/associations/default/contacts/{quote(contact, safe='')}"
        answer = self._http.send("PUT", link)
        _check(answer)
        return Accepted(deal)

    def _find_deal(self, key: str) -> str | None:
        """Id of the deal that this key has made already: by the unique property, which is not a search index."""
        path = f"{OBJECTS}/deals/{quote(key, safe='')}"
        answer = self._http.send("GET", path, query={"idProperty": self.key_property})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        return _id(_check(answer))

    def _create_deal(self, promotion: Promotion) -> str:
        owner = self._owner(promotion.owner) if promotion.owner else ""
        properties = {**deal_properties(promotion), "hubspot_owner_id": owner, self.key_property: promotion.key}
        return self._upsert("deals", self.key_property, promotion.key, properties)

    def _upsert(self, kind: str, id_property: str, key: str, properties: Mapping[str, str]) -> str:
        known = {name: value for name, value in properties.items() if value}
        entry = {"idProperty": id_property, "id": key, "properties": known}
        answer = _check(self._http.send("POST", f"{OBJECTS}/{kind}/batch/upsert", {"inputs": [entry]}))
        results = answer.get("results")
        return _id(results[0] if isinstance(results, list) and results else None)

    def _owner(self, email: str) -> str:
        """Id of the user with this e-mail; asked for once an hour."""
        known, until = self._owners.get(email, ("", 0.0))
        if known and time.monotonic() < until:
            return known
        answer = _check(self._http.send("GET", OWNERS, query={"email": email, "limit": "1"}))
        results = answer.get("results")
        if not isinstance(results, list) or not results:
            raise Rejected("UNKNOWN_OWNER", f"no HubSpot user has the e-mail {email}; invite them or change the owner.")
        found = _id(results[0])
        self._owners[email] = (found, time.monotonic() + OWNER_KEPT)
        return found


def contact_properties(person: Person) -> dict[str, str]:
    """A person as HubSpot's contact properties, empty ones included."""
    return {
        "email": person.email,
        "firstname": person.first_name,
        "lastname": person.last_name,
        "phone": person.phone,
        "jobtitle": person.title,
        "company": person.company,
    }


def deal_properties(promotion: Promotion) -> dict[str, str]:
    """A promotion as HubSpot's deal properties: all of them text, empty where not known."""
    return {
        "dealname": promotion.name,
        "pipeline": promotion.pipeline,
        "dealstage": promotion.stage,
        "amount": "" if promotion.amount is None else f"{promotion.amount:f}",
        "deal_currency_code": promotion.currency if promotion.amount is not None else "",
        "closedate": "" if promotion.close_on is None else f"{promotion.close_on.isoformat()}T00:00:00Z",
        "description": promotion.note,
    }


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _check(answer: Answer) -> dict[str, Any]:
    """The JSON object of a good answer.

    Raises:
        Rejected, Unavailable: by status, and by the errors that a batch reports inside a good one.
        Unknown: a good status, and a body that is not HubSpot's.
    """
    content = answer.json()
    found = content if isinstance(content, dict) else {}
    if not answer.good:
        raise _refusal(answer, found)
    errors = found.get("errors")
    if isinstance(errors, list) and errors:
        raise _inner_refusal(errors[0] if isinstance(errors[0], dict) else {})
    return found


def _refusal(answer: Answer, said: Mapping[str, Any]) -> Rejected | Unavailable:
    text = f"HubSpot answered {answer.status}: {_sentence(said)}"
    asked = retry_after(answer)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Unavailable(text, asked or (DAILY_WAIT if said.get("policyName") == "DAILY" else BURST_WAIT))
    if answer.status in TOKEN:
        return Unavailable(f"{text} Check the setting TOKEN and the scopes of its app.", asked or TOKEN_WAIT)
    if answer.status in LATER or answer.broken:
        return Unavailable(text, asked)
    return Rejected(_word(said.get("category")) or str(answer.status), _sentence(said))


def _inner_refusal(error: Mapping[str, Any]) -> Rejected | Unavailable:
    """What a batch of one says about its only entry, with a status of 207 or even 200."""
    category = _word(error.get("category")) or "BATCH_ERROR"
    if category in BUSY:
        return Unavailable(f"HubSpot: {category}: {_sentence(error)}")
    return Rejected(category, _sentence(error))


def _sentence(said: Mapping[str, Any]) -> str:
    """HubSpot's own words, with the number that its support asks for."""
    correlation = _word(said.get("correlationId"))
    return f"{said.get('message', 'no reason given')}"[:500] + (f" (correlation {correlation})" if correlation else "")


def _word(value: Any) -> str:
    return value[:100] if isinstance(value, str) else ""


def _id(thing: Any) -> str:
    found = thing.get("id") if isinstance(thing, dict) else None
    if not isinstance(found, str | int) or not re.fullmatch(r"[\w-]{1,64}", str(found)):
        raise Unknown("HubSpot answered 2xx without the id of what it made; asking again is safe.")
    return str(found)

"""Typeform: somebody sent off a form.

Signed with HMAC-SHA256 over the body alone, without a timestamp: a replay is stopped by the event id.

Options in the rule file:

- `forms`: form ids and what they are called in rules (`{lT4Z3j: demo}`); becomes the property `form`.
- `answers`: references (or ids) of questions and the lead fields their answers fill (`{work-role: title}`).
- `hidden`: hidden fields and the lead fields they fill (`{utm_source: first_source}`). Every hidden field is an event
  property under its own name as well.

Who it was: the first answer to a question of type e-mail, else the hidden field `email`; and the hidden field
`user_id`. Facts: typeform.com/developers/webhooks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from integrations.contracts import Ignored, Incoming
from integrations.exceptions import Malformed, Unusable
from integrations.options import check_keys, table_option
from integrations.reading import (
    LONGEST_IDENTITY,
    email_identity,
    kind_of,
    mapping,
    occurred_at,
    parse_json,
    plain,
    read_single,
    text,
)
from integrations.signatures import TYPEFORM, verify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from integrations.contracts import Request, Unreadable

SUBMITTED: Final = "form_response"
EXAMPLES: Final = {"forms": "lT4Z3j: demo", "answers": "work-role: title", "hidden": "utm_source: first_source"}
"""The options, each with an entry that it may have."""
PARTIAL: Final = "form_response_partial"
"""Sent while a person is still typing; what they then send off comes as a `form_response`."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Typeform as a source of `form.submitted`.

    Attributes:
        secret: the secret of the webhook, as typed into Typeform.
        previous_secret: still accepted while the secret is being replaced.
    """

    secret: str = field(repr=False)
    previous_secret: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    _secrets: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _forms: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _answers: Mapping[str, str] = field(init=False, repr=False, compare=False)
    _hidden: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the options."""
        secrets = tuple(each.encode() for each in (self.secret, self.previous_secret) if each)
        object.__setattr__(self, "_secrets", secrets)
        for name, table in self.read_options(self.options).items():
            object.__setattr__(self, f"_{name}", table)

    @staticmethod
    def read_options(options: Mapping[str, Any]) -> dict[str, dict[str, str]]:
        """The tables of the options, by name."""
        check_keys(options, EXAMPLES, "typeform")
        return {name: table_option(options, name, example) for name, example in EXAMPLES.items()}

    @staticmethod
    def lead_fields(options: Mapping[str, Any]) -> Mapping[tuple[str, ...], str]:
        """The lead fields that answers and hidden fields fill, by the keys that lead to each."""
        tables = {name: options.get(name, {}) for name in ("answers", "hidden")}
        return {(name, theirs): str(ours) for name, table in tables.items() for theirs, ours in table.items()}

    def verify(self, request: Request) -> None:
        """Check the signature over the raw body."""
        verify(TYPEFORM, self._secrets, request)

    def normalise(self, request: Request) -> list[Incoming | Unreadable | Ignored]:
        """The one event of a delivery."""
        delivery = parse_json(request.body)
        if not isinstance(delivery, dict):
            raise Malformed(f"the body is {kind_of(delivery)}, Typeform sends an object.")
        received_at = request.received_at
        return [read_single(delivery, lambda part, own, _place: self._read(part, own, received_at), request.body)]

    def _read(self, delivery: dict[str, Any], own: bytes, received_at: datetime) -> Incoming | Ignored:
        kind = delivery.get("event_type")
        if kind == PARTIAL:
            return Ignored("partial-response")
        if kind != SUBMITTED:
            raise Unusable("unknown-type", "event_type is none of Typeform's event types known here.")
        response = mapping(delivery.get("form_response"), "form_response")
        answers = _answers(response)
        hidden = mapping(response.get("hidden") or {}, "form_response.hidden")
        return Incoming(
            event_id=text(delivery.get("event_id") or response.get("token"), "event_id", reason="no-event-id"),
            type="form.submitted",
            occurred_at=occurred_at(response.get("submitted_at"), received_at, "form_response.submitted_at"),
            identities=_identities(answers, hidden),
            properties=self._properties(response, hidden),
            lead=self._lead(answers, hidden),
            payload=own,
        )

    def _properties(self, response: dict[str, Any], hidden: dict[str, Any]) -> dict[str, Any]:
        form = text(response.get("form_id"), "form_response.form_id")
        found = {name: plain(value, f"the hidden field {name}") for name, value in hidden.items() if value is not None}
        return {**found, "form": self._forms.get(form, form)}

    def _lead(self, answers: list[dict[str, Any]], hidden: dict[str, Any]) -> dict[str, Any]:
        known = {name: plain(hidden[theirs], theirs) for theirs, name in self._hidden.items() if theirs in hidden}
        for answer in answers:
            question = answer.get("field")
            if not isinstance(question, dict):
                continue
            for reference in (question.get("ref"), question.get("id")):
                if isinstance(reference, str) and reference in self._answers:
                    known[self._answers[reference]] = _value(answer, reference)
        return {name: value for name, value in known.items() if value is not None}


def _answers(response: dict[str, Any]) -> list[dict[str, Any]]:
    answers = response.get("answers") or []
    if not isinstance(answers, list) or not all(isinstance(each, dict) for each in answers):
        raise Unusable("bad-value", "form_response.answers is no list of objects.")
    return answers


def _value(answer: dict[str, Any], reference: str) -> Any:
    """The answer's value: it stands under the name of its type, choices one level deeper."""
    kind = answer.get("type")
    value = answer.get(kind) if isinstance(kind, str) else None
    if isinstance(value, dict):
        if kind == "choice":
            value = value.get("label") or value.get("other")
        elif kind == "choices":
            value = _labels(value, reference)
        elif kind == "payment":
            value = value.get("amount")
    return plain(value, f"the answer to {reference}")


def _labels(choices: dict[str, Any], reference: str) -> list[Any]:
    labels = plain(choices.get("labels") or [], f"the answer to {reference}")
    other = choices.get("other")
    return [*(labels if isinstance(labels, list) else [labels]), *([other] if other else [])]


def _identities(answers: list[dict[str, Any]], hidden: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    given = next((each.get("email") for each in answers if each.get("type") == "email"), None)
    user = hidden.get("user_id")
    users = (("user", text(user, "the hidden field user_id", LONGEST_IDENTITY)),) if user else ()
    address = given or hidden.get("email")
    if users and not address:
        return users
    return (email_identity(address, "the answer of type email"), *users)

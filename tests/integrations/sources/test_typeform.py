"""What is Typeform's own; what every source does is in the contract suite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import orjson
import pytest

from integrations.contracts import Incoming, Unreadable
from integrations.exceptions import BadSignature, ConfigurationError
from integrations.sources.typeform import Adapter
from tests.contract.recorded import Recorded, recorded

SUBMITTED: Final[Recorded] = next(case for case in recorded("typeform") if case.name == "submitted")


def read(response: dict[str, Any], options: dict[str, Any] | None = None, **delivery: Any) -> Any:
    standard = {"form_id": "F1", "token": "t1", "submitted_at": "2026-09-07T10:00:00Z", "hidden": {"email": "a@b.test"}}
    body = {"event_id": "e1", "event_type": "form_response", "form_response": {**standard, **response}, **delivery}
    request = replace(SUBMITTED.request, body=orjson.dumps(body))
    (found,) = Adapter("s", options=options or {}).normalise(request)
    return found


def test_both_secrets_are_taken_while_one_replaces_the_other() -> None:
    secret = SUBMITTED.source.secret  # type: ignore[attr-defined]
    Adapter("new", previous_secret=secret).verify(SUBMITTED.request)
    with pytest.raises(BadSignature):
        Adapter("new").verify(SUBMITTED.request)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"type": "text", "text": "hello"}, "hello"),
        ({"type": "number", "number": 0}, 0),
        ({"type": "boolean", "boolean": False}, False),
        ({"type": "url", "url": "https://acme.test"}, "https://acme.test"),
        ({"type": "file_url", "file_url": "https://files.test/1"}, "https://files.test/1"),
        ({"type": "choice", "choice": {"label": "A"}}, "A"),
        ({"type": "choice", "choice": {"other": "B"}}, "B"),
        ({"type": "choices", "choices": {"labels": ["A", "B"]}}, ["A", "B"]),
        ({"type": "choices", "choices": {"other": "C"}}, ["C"]),
        ({"type": "choices", "choices": {"labels": "A"}}, ["A"]),
        ({"type": "payment", "payment": {"amount": "€1"}}, "€1"),
        ({"type": "brand_new", "brand_new": "x"}, "x"),
    ],
)
def test_the_value_of_every_type_of_answer(answer: dict[str, Any], expected: Any) -> None:
    found = read({"answers": [{**answer, "field": {"id": "Q1", "ref": "r"}}]}, {"answers": {"r": "it"}})
    assert found.lead == {"it": expected}


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "choice", "choice": {}},
        {"type": "text"},
        {"type": ["text"], "text": "x"},
        {"text": "x"},
        {"type": "payment", "payment": {}},
    ],
)
def test_an_answer_without_a_value_tells_nothing(answer: dict[str, Any]) -> None:
    found = read({"answers": [{**answer, "field": {"ref": "r"}}]}, {"answers": {"r": "it"}})
    assert found.lead == {}


@pytest.mark.parametrize("question", [None, "r", ["r"], {}, {"ref": ["r"]}, {"ref": {"r": 1}}])
def test_an_answer_to_no_question_tells_nothing(question: Any) -> None:
    found = read({"answers": [{"type": "text", "text": "x", "field": question}]}, {"answers": {"r": "it"}})
    assert found.lead == {}


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ({"answers": "none"}, "bad-value"),
        ({"answers": ["x"]}, "bad-value"),
        ({"answers": [{"type": "matrix", "matrix": {"a": 1}, "field": {"ref": "r"}}]}, "bad-value"),
        ({"hidden": ["x"]}, "not-an-object"),
        ({"hidden": {"email": "a@b.test", "utm": {"source": "x"}}}, "bad-value"),
        ({"hidden": {"email": "a@b.test", "user_id": "x" * 300}}, "bad-value"),
        ({"hidden": {}}, "no-identity"),
        ({"hidden": {"email": "nobody"}}, "bad-email"),
        ({"form_id": None}, "bad-value"),
        ({"submitted_at": None}, "bad-timestamp"),
    ],
)
def test_what_cannot_be_read_has_a_reason(response: dict[str, Any], reason: str) -> None:
    found = read(response, {"answers": {"r": "it"}})
    assert isinstance(found, Unreadable)
    assert found.reason == reason


def test_an_e_mail_asked_for_goes_before_one_that_came_with_the_link() -> None:
    found = read({"answers": [{"type": "email", "email": "Ann@acme.test", "field": {}}]})
    assert found.identities == (("email", "ann@acme.test"),)


def test_a_user_without_e_mail_is_somebody() -> None:
    assert read({"hidden": {"user_id": 17}}).identities == (("user", "17"),)


def test_without_an_event_id_the_token_is_one() -> None:
    assert read({}, event_id=None).event_id == "t1"
    assert read({"token": None}, event_id=None).reason == "no-event-id"


def test_an_unknown_event_is_kept() -> None:
    assert read({}, event_type="form_response_deleted").reason == "unknown-type"
    assert read({}, event_type=["form_response"]).reason == "unknown-type"


def test_the_form_is_the_forms_own_even_if_a_hidden_field_is_called_so() -> None:
    found = read({"hidden": {"email": "a@b.test", "form": "fake"}}, {"forms": {"F1": "demo"}})
    assert isinstance(found, Incoming)
    assert found.properties["form"] == "demo"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": {}}, "'form' is no option of the source adapter 'typeform'; did you mean 'forms'"),
        ({"forms": "demo"}, "'forms' has to be a mapping such as"),
        ({"answers": {"r": None}}, r"'answers\.r' has to be a text"),
        ({"hidden": {"utm_source": " "}}, r"'hidden\.utm_source' has to be a text"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Adapter("s", options=options)

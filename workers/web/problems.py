"""The answers that are not 2xx: RFC 9457 problems, each with a sentence that says what to do."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTENT_TYPE: Final = b"application/problem+json"
PREFIX: Final = "urn:dripline:problem:"
SOON: Final = 5
"""Seconds that a sender is asked to wait when we cannot commit: a restart of PostgreSQL takes about that long."""
LATER: Final = 60
"""The same where a person has to do something first."""


class Problem(Exception):  # it is the answer, and raising it is the way to give it
    """One kind of refusal, raised where it is found and answered in one place.

    Args:
        status: of the answer.
        word: constant, by which it is counted; ends the problem's `type`.
        title: the same for every problem of this word.
        detail: what to do about it; holds nothing of the request's body.
        headers: further headers of the answer, names in lower case.
    """

    def __init__(self, status: HTTPStatus, word: str, title: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.status = status
        self.word = word
        self.title = title
        self.detail = detail
        self.headers = headers

    def body(self) -> bytes:
        """The JSON document."""
        return orjson.dumps(
            {"type": PREFIX + self.word, "title": self.title, "status": int(self.status), "detail": self.detail}
        )


def unknown_source(name: str) -> Problem:
    """404: no source of that name is in the active rulebook."""
    return Problem(
        HTTPStatus.NOT_FOUND,
        "unknown-source",
        "No such webhook source",
        f"The active rules declare no source {name[:64]!r}. Add it under rules/sources/ and run `dripline apply`, "
        f"or correct the URL at the sender.",
    )


def source_closed(name: str) -> Problem:
    """503: the rules declare it, but it cannot be opened here. Its sender is right, so it must not be told 4xx."""
    reason = (
        f"The source {name!r} is declared, but not configured; the log and the status page of `dripline web` say why"
    )
    return unavailable("source-closed", reason, LATER)


def not_loaded() -> Problem:
    """503: this process has read no rules yet, so it cannot know whether there is such a source."""
    return unavailable("sources-not-loaded", "The rules that declare the webhook sources are not loaded yet", SOON)


def method_not_allowed() -> Problem:
    """405: something other than POST."""
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Webhooks are POSTed",
        "Send the delivery as a POST request.",
        (b"allow", b"POST"),
    )


def too_large(limit: int) -> Problem:
    """413: the body is over the limit (bytes)."""
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too-large",
        "Delivery too large",
        f"A delivery may have {limit} bytes. Send smaller batches, or raise the limit in the settings.",
    )


def bad_signature(reason: str) -> Problem:
    """401: the signature is missing, wrong or too old. RFC 9110 asks for a challenge beside a 401."""
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "bad-signature",
        "Signature not accepted",
        f"{_sentence(reason)} Check that the secret configured here is the one the sender signs with.",
        (b"www-authenticate", b'Webhook-Signature realm="dripline"'),
    )


def malformed(reason: str) -> Problem:
    """400: rightly signed, but not what this source sends."""
    return Problem(
        HTTPStatus.BAD_REQUEST,
        "malformed",
        "Delivery not understood",
        f"{_sentence(reason)} Nothing of it was stored; sending the same again will not help.",
    )


def unavailable(word: str, reason: str, retry_after: int) -> Problem:
    """503: nothing is wrong with the delivery; come back after that many seconds."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        word,
        "Not now",
        f"{_sentence(reason)} Nothing was acknowledged: send this delivery again.",
        (b"retry-after", str(retry_after).encode()),
    )


def bad_request(reason: str) -> Problem:
    """400: it is no HTTP that could be understood."""
    return Problem(
        HTTPStatus.BAD_REQUEST, "bad-request", "Not understood as HTTP", f"{_sentence(reason)} Send HTTP/1.1."
    )


def too_slow(seconds: float) -> Problem:
    """408: the request did not arrive in that time."""
    detail = f"A request has to arrive within {seconds:g} seconds. Nothing of it was stored: send it again."
    return Problem(HTTPStatus.REQUEST_TIMEOUT, "request-timeout", "Too slow", detail)


def too_many_connections() -> Problem:
    """503: as many connections are open as may be."""
    return unavailable("too-many-connections", "As many connections are open as may be", SOON)


def not_ready(reason: str) -> Problem:
    """503 of `/readyz`: keep traffic away for now."""
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", "Not ready", _sentence(reason))


def failed(source: str) -> Problem:
    """500: the source's adapter broke before the delivery was verified, so nothing may be kept of it."""
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "adapter-error",
        "Delivery could not be checked",
        f"The adapter of source {source!r} failed while checking the signature; the log has the trace. "
        "Nothing was stored: send this delivery again.",
    )


def of_page(status: int, detail: str, headers: Mapping[str, str]) -> Problem:
    """What Starlette refuses: no such page, wrong method."""
    known = HTTPStatus(status)
    kept = ((name.lower().encode(), value.encode()) for name, value in headers.items())
    return Problem(known, known.phrase.lower().replace(" ", "-"), known.phrase, _sentence(detail), *kept)


def _sentence(text: str) -> str:
    """With one full stop at its end."""
    return text.rstrip(". ") + "."

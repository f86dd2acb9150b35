from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from integrations import oauth
from integrations.exceptions import ConfigurationError, Unavailable
from integrations.oauth import Grant, Tokens
from tests.contract import scripted
from tests.contract.scripted import Http

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(token: str, lives: Any = 3600) -> dict[str, Any]:
    return {"status": 200, "json": {"access_token": token, "expires_in": lives, "token_type": "Bearer"}}


@pytest.fixture
def server() -> Iterator[Http]:
    with Http(steps=[answer("t1"), answer("t2")]) as server:
        yield server


def tokens(server: Http, **given: Any) -> Tokens:
    standard: dict[str, Any] = {"client_id": "dripline", "refresh_token": "1//consent"}
    return Tokens(Grant(f"http://127.0.0.1:{server.port}/token", **standard | given), "oauth_endpoint", timeout=0.5)


def form(server: Http) -> dict[str, list[str]]:
    return parse_qs(server.requests[-1]["body"].decode())


def test_a_refresh_token_brings_an_access_token(server: Http) -> None:
    one = tokens(server, client_secret="s3cret", scope="https://mail.google.com/")
    assert one.get() == "t1"
    assert server.requests[0]["path"] == "/token"
    assert server.requests[0]["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert form(server) == {
        "grant_type": ["refresh_token"], "refresh_token": ["1//consent"], "client_id": ["dripline"],
        "client_secret": ["s3cret"], "scope": ["https://mail.google.com/"],
    }  # fmt: skip
    one.close()


def test_an_application_may_ask_in_its_own_name(server: Http) -> None:
    one = tokens(server, refresh_token="", client_secret="s")
    one.get()
    assert form(server) == {
        "grant_type": ["client_credentials"], "client_id": ["dripline"], "client_secret": ["s"],
    }  # fmt: skip
    one.close()


def test_a_token_is_asked_for_once_while_it_lives(server: Http) -> None:
    one = tokens(server)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: one.get(), range(50))) == {"t1"}
    assert len(server.requests) == 1
    one.close()


@pytest.mark.parametrize("lives", [0, 59, -5])
def test_a_token_that_is_about_to_end_is_not_used(lives: int) -> None:
    with Http(steps=[answer("t1", lives), answer("t2")]) as server:
        one = tokens(server)
        assert (one.get(), one.get(), one.get()) == ("t1", "t2", "t2")
        one.close()


def test_a_token_that_was_refused_is_replaced_and_no_later_one(server: Http) -> None:
    one = tokens(server)
    one.drop(one.get())
    assert one.get() == "t2"
    one.drop("t1")
    assert one.get() == "t2"
    assert len(server.requests) == 2
    one.close()


def test_a_token_whose_life_is_not_told_lives_an_hour() -> None:
    with Http(steps=[answer("t1", None)]) as server:
        one = tokens(server)
        one.get()
        assert one._until - oauth.time.monotonic() == pytest.approx(3600, abs=60)
        one.close()


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"status": 400, "json": {"error": "invalid_grant", "error_description": "Token expired."}}, "invalid_grant"),
        ({"status": 500, "body": "<html>"}, "500"),
        ({"status": 200, "json": {}}, "200"),
        ({"status": 200, "json": [1]}, "200"),
        ({"status": 200, "json": {"access_token": "a\r\nb"}}, "200"),
        ({"drop": "reading"}, "left"),
        ({"silent": True}, "left"),
    ],
)
def test_without_a_token_nothing_has_been_sent(step: dict[str, Any], says: str) -> None:
    with Http(steps=[step]) as server:
        one = tokens(server)
        with pytest.raises(Unavailable, match=says):
            one.get()
        one.close()


def test_nobody_answers() -> None:
    grant = Grant(f"http://127.0.0.1:{scripted.nobody_listens()}", "dripline")
    one = Tokens(grant, "oauth_endpoint")
    with pytest.raises(Unavailable, match="no access token"):
        one.get()
    one.close()


def test_an_endpoint_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError) as error:
        Tokens(Grant("oauth2.test/token", "dripline"), "oauth_endpoint")
    assert error.value.field == "oauth_endpoint"

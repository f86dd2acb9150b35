from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import NOW
from tests.workers.web.support import SECRET
from workers.tokens import Click, Open, sign
from workers.web.machines import Bursts, machine_sign

if TYPE_CHECKING:
    from tests.workers.web.support import Web

KEY = "mail:7:welcome:1:hello"
PAGE = "https://acme.test/pricing?utm_source=newsletter&x=1"
SENT = int((NOW - timedelta(hours=1)).timestamp())
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def click(url: str = PAGE, made: int = SENT) -> str:
    return "/c/" + sign(SECRET, Click(7, KEY, made, url))


def opened(made: int = SENT) -> str:
    return f"/o/{sign(SECRET, Open(7, KEY, made))}.gif"


def events(web: Web) -> list[Any]:
    return web.rows("SELECT type, properties, identities FROM events ORDER BY id")


def test_a_link_leads_where_it_led_in_the_mail_and_is_noted_down(web: Web) -> None:
    answer = web.request("GET", click(), headers=BROWSER)
    assert (answer.status, answer.headers["location"]) == (302, PAGE)
    assert "no-store" in answer.headers["cache-control"]
    assert events(web) == [
        ("email.clicked", {"url": PAGE, "message_key": KEY, "machine": False}, [f"message:{KEY}"]),
    ]


def test_the_picture_tells_that_the_mail_was_opened(web: Web) -> None:
    answer = web.request("GET", opened(), headers=BROWSER)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
    assert events(web) == [("email.opened", {"message_key": KEY, "machine": False}, [f"message:{KEY}"])]


def test_looking_twice_within_a_minute_is_once(web: Web) -> None:
    for _ in range(3):
        web.request("GET", opened(), headers=BROWSER)
        web.request("GET", click(), headers=BROWSER)
    assert [kind for kind, *_ in events(web)] == ["email.opened", "email.clicked"]


@pytest.mark.parametrize(
    "path",
    ["/c/" + sign("another secret" * 3, Click(7, KEY, SENT, "https://evil.test")), click()[:-3], "/c/https://evil.test",
     "/c/" + sign(SECRET, Open(7, KEY, SENT))],
    ids=["forged", "cut", "no token", "of another purpose"],
)  # fmt: skip
def test_a_forged_link_leads_nowhere(web: Web, path: str) -> None:
    answer = web.request("GET", path, headers=BROWSER)
    assert (answer.status, answer.headers.get("location")) == (404, None)
    assert events(web) == []


def test_a_forged_picture_is_a_picture_and_counts_for_nothing(web: Web) -> None:
    assert web.request("GET", "/o/AAAA.gif", headers=BROWSER).status == 200
    assert events(web) == []


def test_asking_only_for_headers_is_a_machines_way(web: Web) -> None:
    assert web.request("HEAD", click(), headers=BROWSER).status == 302
    ((_, properties, _),) = events(web)
    assert (properties["machine"], properties["machine_sign"]) == (True, "head")


def test_many_links_at_once_are_a_machines_way(web: Web) -> None:
    for number in range(4):
        web.request("GET", click(f"https://acme.test/{number}"), headers=BROWSER)
    assert [properties["machine"] for _, properties, _ in events(web)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("method", "headers", "age", "picture", "sign"),
    [
        ("GET", {"user-agent": "Mozilla/5.0 Firefox"}, 60, False, ""),
        ("GET", {"user-agent": "Mozilla/5.0 Firefox"}, 1, False, "at-once"),
        ("GET", {"user-agent": "Mozilla/5.0 Firefox", "sec-purpose": "prefetch;prerender"}, 60, False, "prefetch"),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; bingbot/2.0)"}, 60, False, "program"),
        ("GET", {"user-agent": "Barracuda Sentinel (EE)"}, 60, False, "program"),
        ("GET", {}, 60, False, "program"),
        ("GET", {"user-agent": "Mozilla/5.0"}, 60, True, "privacy-proxy"),
        ("GET", {"user-agent": "Mozilla/5.0"}, 60, False, ""),
        ("GET", {"user-agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)"}, 60, True, ""),
    ],
)
def test_machines_are_told_by_what_they_do(
    method: str, headers: dict[str, str], age: float, picture: bool, sign: str
) -> None:
    assert machine_sign(method, headers, age, picture=picture) == sign


def test_the_memory_of_bursts_is_bounded() -> None:
    bursts = Bursts()
    for number in range(10_050):
        bursts.many(str(number), "https://a.test")
    assert len(bursts._seen) == 10_000

"""The preference centre and the confirmation page, over real HTTP."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.conftest import NOW
from tests.workers.web.support import SECRET, Plain, running
from workers.engine.categories import Category, ConsentPolicy
from workers.store import leads, suppressions
from workers.store.database import transaction
from workers.store.leads import Lead
from workers.store.suppressions import Suppression
from workers.tokens import Confirm, Open, Preferences, Unsubscribe, sign
from workers.web.sources import ActiveSources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from tests.workers.web.support import Web
    from workers.clock import SteppedClock

KEY = "mail:7:welcome:1:hello"
POLICY = ConsentPolicy(
    {
        "marketing": Category("marketing", "News", "What is <new>", "legitimate_interest"),
        "webinars": Category("webinars", "Webinars", "Invitations", "consent", double_opt_in=True),
    }
)
CENTRE = "/preferences/" + sign(SECRET, Preferences(7, KEY))
CONFIRM = "/confirm/" + sign(SECRET, Confirm(7, "webinars", "mail:7:consent.confirm:1:webinars"))
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TICKED = 'value="{}" checked'


@pytest.fixture
def web(engine: Engine, clock: SteppedClock) -> Iterator[Web]:
    with transaction(engine) as conn:
        state = {"fields": {"email": "ann@acme.test"}, "format": 2}
        leads.add(conn, [Lead(7, 3, "ann@acme.test", state, None)], 1, NOW)
    with running(engine, clock, active=ActiveSources("one", {"plain": Plain()}, {}, POLICY)) as web:
        yield web


def press(web: Web, path: str, *fields: tuple[str, str]) -> Any:
    return web.request("POST", path, urlencode(fields), FORM)


def said(web: Web) -> list[Any]:
    rows = web.rows("SELECT type, properties, identities FROM events ORDER BY id")
    return [(type_, properties["category"]) for type_, properties, _ in rows]


@pytest.mark.parametrize("path", [CENTRE, CONFIRM])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing_and_names_nobody(web: Web, path: str, method: str) -> None:
    answer = web.request(method, path)
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "ann@acme" not in path + answer.text
    assert said(web) == []


def test_the_page_shows_what_one_gets(web: Web) -> None:
    page = web.get(CENTRE).text
    assert TICKED.format("marketing") in page
    assert TICKED.format("webinars") not in page
    assert "What is &lt;new&gt;" in page


def test_ticking_and_clearing_become_events_with_the_text_that_was_shown(web: Web) -> None:
    answer = press(web, CENTRE, ("category", "webinars"), ("seen", "marketing"), ("save", "1"))
    assert (answer.status, "Saved." in answer.text) == (200, True)
    assert "confirm it by the link" in answer.text
    assert said(web) == [("consent.withdrawn", "marketing"), ("consent.given", "webinars")]
    ((properties, identities),) = web.rows("SELECT properties, identities FROM events WHERE type = 'consent.given'")
    assert properties == {
        "category": "webinars", "place": "preference centre", "text": "Webinars: Invitations", "message_key": KEY
    }  # fmt: skip
    assert identities == ["email:ann@acme.test", f"message:{KEY}"]
    assert web.counted("dripline_preferences_total", page="preferences", outcome="saved") == 1


def test_saving_what_was_so_before_says_nothing(web: Web) -> None:
    press(web, CENTRE, ("category", "marketing"), ("seen", "marketing"), ("save", "1"))
    assert said(web) == []
    assert web.counted("dripline_preferences_total", page="preferences", outcome="unchanged") == 1


def test_one_button_clears_all(web: Web) -> None:
    press(web, CENTRE, ("category", "marketing"), ("seen", "marketing"), ("none", "1"))
    assert said(web) == [("consent.withdrawn", "marketing")]


def test_a_change_of_mind_is_kept_before_the_first_was_worked_off(web: Web) -> None:
    press(web, CENTRE, ("seen", "marketing"), ("save", "1"))
    press(web, CENTRE, ("category", "marketing"), ("save", "1"))
    assert said(web) == [("consent.withdrawn", "marketing"), ("consent.given", "marketing")]


@pytest.mark.parametrize("body", ["", "x" * 30_000, "save=2", "&".join(["a=1"] * 2000), "%ff%fe=1"])
def test_what_no_button_of_ours_sends_changes_nothing(web: Web, body: str) -> None:
    assert web.request("POST", CENTRE, body, FORM).status == 400
    assert said(web) == []
    assert web.counted("dripline_preferences_total", page="preferences", outcome="bad-form") == 1


def test_whoever_unsubscribed_sees_nothing_ticked(web: Web, engine: Engine) -> None:
    with transaction(engine) as conn:
        suppressions.add(conn, [Suppression("ann@acme.test", "unsubscribed")], NOW)
    assert "checked" not in web.get(CENTRE).text


def test_the_button_of_the_confirmation_page_confirms(web: Web, clock: SteppedClock) -> None:
    for _ in range(2):
        assert press(web, CONFIRM, ("confirm", "1")).status == 200
        clock.move_to(clock() + timedelta(seconds=1))
    assert said(web) == [("consent.confirmed", "webinars")] * 2  # what the second one gives is for the engine to say
    assert web.counted("dripline_preferences_total", page="confirm", outcome="confirmed") == 2


FORGED = [
    CENTRE[:-2], CENTRE.replace("/preferences/", "/preferences/A"), "/preferences/x", "/preferences/" + "A" * 5000,
    "/preferences/" + sign("another secret" * 3, Preferences(7, KEY)),
    "/preferences/" + sign(SECRET, Unsubscribe(7, KEY)),
    CONFIRM[:-2], "/confirm/" + sign(SECRET, Preferences(7, KEY)), "/confirm/" + sign(SECRET, Open(7, KEY, 1)),
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", FORGED, ids=range(len(FORGED)))
def test_a_forged_cut_or_borrowed_link_changes_nothing_and_is_counted(web: Web, path: str, method: str) -> None:
    assert web.request(method, path, "save=1&confirm=1", FORM).status == 404
    assert said(web) == []
    assert web.counted("dripline_preferences_total", page=path.split("/")[1], outcome="bad-link") == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    ["/preferences/" + sign(SECRET, Preferences(8, KEY)), "/confirm/" + sign(SECRET, Confirm(8, "webinars", KEY)),
     "/confirm/" + sign(SECRET, Confirm(7, "gone", KEY))]
)  # fmt: skip
def test_somebody_who_is_gone_or_a_category_that_is_gone_changes_nothing(web: Web, path: str, method: str) -> None:
    assert web.request(method, path, "save=1", FORM).status == 200
    assert said(web) == []


def test_the_unsubscribe_page_leads_to_the_preference_centre(web: Web) -> None:
    page = web.get("/unsubscribe/" + sign(SECRET, Unsubscribe(7, KEY))).text
    assert f'href="{CENTRE}"' in page
    assert json.dumps(said(web)) == "[]"

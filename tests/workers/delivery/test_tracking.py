from __future__ import annotations

import re
from html import escape
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.rulebook.base import BASE
from workers.delivery.tracking import Tracker, with_parameters
from workers.engine.rules import Tracking
from workers.exceptions import RulebookError
from workers.rulebook import compile_rulebook
from workers.tokens import Click, Open, read

SECRET = "s" * 32
KEY = "mail:7:welcome:1:hello"
TEMPLATE = "welcome/hello"
US = "https://go.acme.test"
OUT = f'<a href="{US}/unsubscribe/T">out</a>'
HTML = f'<html><body><a class="x" href="https://acme.test/a?b=1&amp;c=2">A</a> {OUT}</body></html>'


def tracker(**said: object) -> Tracker:
    return Tracker(Tracking(**said), US, SECRET)  # type: ignore[arg-type]


def links(html: str) -> list[str]:
    return re.findall(r'href="([^"]*)"', html)


def test_links_lead_through_us_and_ours_stay_as_they_are():
    first, own = links(tracker(clicks=True).rewritten(HTML, 7, KEY, TEMPLATE, 99))
    assert own == f"{US}/unsubscribe/T"
    assert read(SECRET, first.removeprefix(f"{US}/c/"), Click) == Click(7, KEY, 99, "https://acme.test/a?b=1&c=2")


def test_a_picture_ends_the_body():
    html = tracker(opens=True).rewritten(HTML, 7, KEY, TEMPLATE, 99)
    found = re.search(rf'<img src="{US}/o/([^"]+)\.gif"[^>]*></body></html>$', html)
    assert found
    assert read(SECRET, found[1], Open) == Open(7, KEY, 99)
    assert links(html)[0] == "https://acme.test/a?b=1&amp;c=2"


def test_nothing_is_tracked_unless_the_rules_say_so():
    assert tracker().rewritten(HTML, 7, KEY, TEMPLATE, 99) == HTML
    assert tracker().rewritten(HTML, 7, KEY, TEMPLATE, None) == HTML


def test_links_get_the_parameters_of_the_rules():
    html = tracker(utm={"source": "news", "campaign": "{campaign}"}).rewritten(HTML, 7, KEY, TEMPLATE, None)
    assert links(html) == [
        "https://acme.test/a?b=1&amp;c=2&amp;utm_source=news&amp;utm_campaign=welcome", f"{US}/unsubscribe/T",
    ]  # fmt: skip


def test_parameters_that_are_there_stay():
    assert with_parameters("https://a.test/?utm_source=x#top", (("source", "y"),)) == "https://a.test/?utm_source=x#top"


@given(st.from_regex(r"https?://[a-z0-9.]{1,20}/[ -~]{0,80}", fullmatch=True))
def test_whatever_a_link_says_is_where_it_leads(url: str):
    html = tracker(clicks=True).rewritten(f'<a href="{escape(url)}">x</a>', 7, KEY, TEMPLATE, 99)
    assert read(SECRET, links(html)[0].removeprefix(f"{US}/c/"), Click).url == url


@given(st.dictionaries(st.sampled_from(["source", "medium"]), st.text(max_size=20)))
def test_parameters_are_read_back_as_they_were_given(values: dict[str, str]):
    query = parse_qsl(
        urlsplit(with_parameters("https://a.test/x?a=1", tuple(values.items()))).query, keep_blank_values=True
    )
    assert dict(query) == {"a": "1", **{f"utm_{name}": value for name, value in values.items()}}


RULES = """\
tracking:
  clicks: true
  consent: lead.country == "DE"
  untracked: [welcome/bye]
"""


def test_the_rules_say_whom_and_what_to_track():
    bundle = BASE | {
        "rules/tracking.yaml": RULES,
        "templates/welcome/bye/mail.txt": "---\nsubject: Bye\ncategory: transactional\n---\nBye\n",
    }
    made = Tracker(compile_rulebook(bundle).tracking, US, SECRET)
    assert made.wanted("welcome/hello", {"country": "DE"})
    assert not made.wanted("welcome/hello", {"country": "FR"})
    assert not made.wanted("welcome/hello", {})
    assert not made.wanted("welcome/bye", {"country": "DE"})


def test_consent_is_about_fields():
    with pytest.raises(RulebookError, match="from the lead's fields alone"):
        compile_rulebook(BASE | {"rules/tracking.yaml": 'tracking:\n  consent: score("engagement") > 5'})

"""Links that lead nowhere, elsewhere than they say, or to what the rules do not know."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from workers.rulebook.mail.links import is_address, is_relative
from workers.rulebook.mail.lint.sources import FILL
from workers.rulebook.mail.markup import attributes
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.rulebook.mail.lint.sources import Known, Source
    from workers.rulebook.problems import Problem

SHORTENERS: Final = frozenset({
    "bit.ly", "bitly.com", "buff.ly", "cutt.ly", "goo.gl", "is.gd", "lnkd.in", "ow.ly", "rb.gy", "rebrand.ly",
    "shorturl.at", "t.co", "t.ly", "tiny.cc", "tinyurl.com", "v.gd",
})  # fmt: skip
SAFE: Final = re.compile(r"(?:https?|mailto|tel|sms):", re.IGNORECASE)
SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
SHOWN: Final = re.compile(r"\s*(?:https?://)?(?P<host>(?:[\w-]+\.)+[a-z]{2,})(?:[/?#]\S*)?\s*", re.IGNORECASE)
FROM_FIELD: Final = re.compile(r"\s*\{\{-?\s*lead\.(?P<field>\w+)")
IN_QUERY: Final = re.compile(
    r"[?&](?:amp;)?[\w.\[\]-]*=[^&{]*\{\{(?P<value>(?:(?!\}\}).)*\blead\b(?:(?!\}\}).)*)\}\}", re.DOTALL
)
CAMPAIGN: Final = re.compile(r"[?&](?:amp;)?utm_campaign=(?P<name>[^&\s]+)")
ADDRESSES: Final = frozenset({"email", "url"})
"""Types of fields that a link can begin with."""


def relative(source: Source, known: Known) -> Iterator[Problem]:
    """Links and pictures whose address says nothing outside of a website."""
    if known.site:
        return
    for token in source.starts():
        for each in attributes(token):
            if is_address(token, each) and is_relative(each.value) and not each.value.strip().startswith("//"):
                text = f"`{source.written(each)}` leads nowhere from within a mail"
                hint = "write it with https:// and the domain, or say `site: https://…` in rules/account.yaml"
                yield source.finding(each.at, "relative-link", text, hint, "error")


def empty(source: Source, _: Known) -> Iterator[Problem]:
    """Links that nobody has filled in."""
    for _token, each in source.links():
        if each.value.strip() in {"", "#"}:
            yield source.finding(each.at, "empty-link", "the link leads nowhere", "write where it leads to")


def unsafe(source: Source, _: Known) -> Iterator[Problem]:
    """Links that are no web address; a mail with one is never sent."""
    for _token, each in source.links():
        if SCHEME.match(each.value.strip()) and not SAFE.match(each.value.strip()):
            text = f"a mail cannot link to `{source.written(each)[:60]}`"
            yield source.finding(each.at, "unsafe-link", text, "link to a page on the web", "error")


def misleading(source: Source, _: Known) -> Iterator[Problem]:
    """Links that show one address and lead to another, as those of swindlers do."""
    for place, token in enumerate(source.tokens):
        if token.kind != "start" or token.name != "a":
            continue
        href = next((each for each in attributes(token) if each.name == "href"), None)
        following = source.tokens[place + 1 : place + 2]
        shown = SHOWN.fullmatch(following[0].text) if following and following[0].kind == "text" else None
        if href is None or shown is None or FILL in href.value:
            continue
        host = urlsplit(unescape(href.value)).hostname or ""
        if host and not same_site(host, shown["host"]):
            text = f"the link shows {shown['host']} and leads to {host}"
            hint = "show words instead of an address; filters take this for a swindle"
            yield source.finding(token.at, "misleading-link", text, hint)


def same_site(one: str, other: str) -> bool:
    """True if one is the other, or below it."""
    one, other = one.lower().removeprefix("www."), other.lower().removeprefix("www.")
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def shortened(source: Source, _: Known) -> Iterator[Problem]:
    """Links through services that hide where they lead."""
    for _token, each in source.links():
        host = (urlsplit(unescape(each.value)).hostname or "") if "[" not in each.value else ""
        if host.removeprefix("www.") in SHORTENERS:
            text = f"filters distrust {host}, because it hides where a link leads"
            yield source.finding(each.at, "shortened-link", text, "link to the page itself")


def of_fields(source: Source, known: Known) -> Iterator[Problem]:
    """Links that begin with a field that holds no address."""
    for _token, each in source.links():
        match = FROM_FIELD.match(source.written(each))
        kind = known.fields.get(match["field"]) if match else None
        if match and kind is not None and kind not in ADDRESSES:
            text = f"lead.{match['field']} is a field of type {kind}, and no address"
            yield source.finding(each.at, "no-address", text, "begin the link with https:// and the domain", "error")


def unencoded(source: Source, _: Known) -> Iterator[Problem]:
    """Values in the parameters of links: a blank or an & in them ends the parameter."""
    for _token, each in source.links():
        match = IN_QUERY.search(source.written(each))
        if match and "urlencode" not in match["value"]:
            value = " ".join(match["value"].split())
            hint = f"write {{{{ {value} | urlencode }}}}"
            at = each.at + match.start("value") - 2
            yield source.finding(at, "not-encoded", f"`{value}` stands in a link as it is", hint)


def campaigns(source: Source, known: Known) -> Iterator[Problem]:
    """Links that name a campaign that there is not."""
    for _token, each in source.links():
        match = CAMPAIGN.search(each.value)
        if match and FILL not in match["name"] and match["name"] not in known.campaigns:
            text = f"the link is counted for the campaign `{match['name']}`, which there is not"
            at = each.at + match.start("name")
            yield source.finding(
                at, "unknown-campaign", text, suggestion(match["name"], known.campaigns) or "leave it out"
            )

"""Links of a mail that lead through us, and the picture that tells it was opened: as the rules want, and the person."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from workers.tokens import LONGEST, Click, Open, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.rules import Tracking

LINK: Final = re.compile(r"""(<a\b[^>]*?\shref\s*=\s*)(?:"(https?://[^"]+)"|'(https?://[^']+)')""", re.IGNORECASE)
END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
NO_EVENT: Final[Mapping[str, Any]] = {}
NO_FACTS: Final[Any] = None
"""The rulebook refuses a consent that asks for more than fields."""
ROOM: Final = LONGEST // 2
"""Characters of an address that still fits into a link, signed and encoded."""
MAIL: Final = "mail:"
CAMPAIGN: Final = 2
"""Which part of a mail's key is the campaign's name (`workers.engine.campaigns.runs.effect_key`)."""
SAFE: Final = "{}:,/"
"""What may stand in a UTM parameter as it is."""


class Tracker:
    """Rewrites the HTML of mails.

    Args:
        tracking: what the rules want.
        public_url: where the web process answers, unless the rules name a domain for links.
        secret: signs the links.
    """

    def __init__(self, tracking: Tracking, public_url: str, secret: str) -> None:
        self._tracking = tracking
        self._base = (tracking.url or public_url).rstrip("/")
        self._own = public_url.rstrip("/") + "/"
        self._secret = secret

    def wanted(self, template: str, lead: Mapping[str, Any]) -> bool:
        """True if this mail to this lead is to be tracked."""
        if template in self._tracking.untracked:
            return False
        consent = self._tracking.consent
        return consent is None or consent.value(NO_EVENT, lead, NO_FACTS) is True

    def rewritten(self, html: str, lead_id: int, key: str, template: str, made: int | None) -> str:
        """The HTML with the UTM parameters that the rules give to every link, and with links and picture that tell.

        Args:
            html: with links as they are.
            lead_id: whose mail it is.
            key: the effect's.
            template: its folder below `templates/`.
            made: seconds since 1970; None for a mail that is not to be tracked (`wanted`).
        """
        named = self._parameters(key, template)
        clicks = made is not None and self._tracking.clicks

        def link(found: re.Match[str]) -> str:
            url = unescape(found[2] or found[3])
            if url.startswith(self._own):  # unsubscribing and the like lead to us already
                return found[0]
            url = with_parameters(url, named) if named else url
            return f'{found[1]}"{escape(self._click(url, lead_id, key, made or 0) if clicks else url)}"'

        if named or clicks:
            html = LINK.sub(link, html)
        if made is None or not self._tracking.opens:
            return html
        token = sign(self._secret, Open(lead_id, key, made))
        picture = f'<img src="{self._base}/o/{token}.gif" width="1" height="1" alt="" style="display:block;border:0">'
        ends = [found.start() for found in END.finditer(html)]
        return html[: ends[-1]] + picture + html[ends[-1] :] if ends else html + picture

    def _parameters(self, key: str, template: str) -> tuple[tuple[str, str], ...]:
        """Names and values of the UTM parameters."""
        if not self._tracking.utm:
            return ()
        campaign = key.split(":")[CAMPAIGN] if key.startswith(MAIL) else ""
        return tuple((name, fill(text, campaign, template)) for name, text in self._tracking.utm.items())

    def _click(self, url: str, lead_id: int, key: str, made: int) -> str:
        if len(url) > ROOM:
            return url
        return f"{self._base}/c/{sign(self._secret, Click(lead_id, key, made, url))}"


def fill(text: str, campaign: str, template: str) -> str:
    """A UTM parameter with the names of campaign and template put in."""
    return text.replace("{campaign}", campaign).replace("{template}", template)


@lru_cache(maxsize=1024)  # most links are the same in all mails of a template
def with_parameters(url: str, values: tuple[tuple[str, str], ...]) -> str:
    """The address with `utm_` parameters, those left alone that it has already."""
    parts = urlsplit(url)
    known = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    more = {f"utm_{name}": value for name, value in values if f"utm_{name}" not in known}
    added = urlencode(more, quote_via=quote, safe=SAFE)
    return urlunsplit(parts._replace(query="&".join(part for part in (parts.query, added) if part)))

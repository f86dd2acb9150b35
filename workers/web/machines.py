"""Signs that a machine followed a link or fetched a picture, and not the person the mail was for.

Mail scanners follow every link before a mail is delivered, privacy proxies fetch every picture at once, and previews
ask only for headers. None of them can be told with certainty; what is taken for a machine's work is recorded as such,
and credited later if the person does something themselves (`workers.engine.quarantine`).
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_ONCE: Final = 5
"""Seconds after a mail was made in which no person has read it: it is still on its way."""
BURST: Final = 3.0
MANY: Final = 3
"""So many different links of one mail within so many seconds are followed by a program."""
REMEMBERED: Final = 10_000
PROGRAMS: Final = re.compile(
    r"bot\b|crawl|spider|scan|preview|proofpoint|mimecast|barracuda|symantec|forcepoint|trendmicro|fortinet|sophos"
    r"|safelinks|headless|phantom|curl/|wget/|python|java/|go-http|okhttp|libwww|httpclient|facebookexternalhit|slack"
    r"|whatsapp|telegram|discord|skypeuri|microsoft office|ms-office",
    re.IGNORECASE,
)
"""Words in the `User-Agent` of programs that say what they are. Gmail's and Yahoo's image proxies are not among them:
they fetch a picture when the person opens the mail."""
PREFETCH: Final = ("purpose", "sec-purpose", "x-purpose", "x-moz")
PRIVACY: Final = "mozilla/5.0"
"""All that Apple's mail privacy proxy says of itself; it fetches pictures whether the mail is read or not."""


class Bursts:
    """Remembers, for this process, which links of a mail were followed within the last moments."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, dict[str, float]] = OrderedDict()

    def many(self, key: str, url: str) -> bool:
        """True if this is one of many different links of the mail that were followed at once."""
        now = time.monotonic()
        links = {each: at for each, at in self._seen.pop(key, {}).items() if now - at < BURST}
        links[url] = now
        self._seen[key] = links
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return len(links) >= MANY


def machine_sign(method: str, headers: Mapping[str, str], age: float, *, picture: bool) -> str:
    """Why the visitor is taken for a machine; empty for a person.

    Args:
        method: `GET` or `HEAD`.
        headers: of the request, names in lower case.
        age: seconds since the mail was made.
        picture: whether it is the picture that was fetched, or else a link that was followed.
    """
    agent = headers.get("user-agent", "").strip()
    if method == "HEAD":
        return "head"
    if any(word in headers.get(name, "").lower() for name in PREFETCH for word in ("prefetch", "preview")):
        return "prefetch"
    if not agent or PROGRAMS.search(agent):
        return "program"
    if picture and agent.lower() == PRIVACY:
        return "privacy-proxy"
    return "at-once" if age < AT_ONCE else ""

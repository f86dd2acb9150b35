"""When a campaign stops by itself: the shares of its mails that ended badly, over the latest days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.rules import PauseWhen

Daily = Mapping[tuple[date, str], int]
"""What has become of mails, by the day on which they were sent and by what."""

SENT: Final = "sent"
LOOKED_AT: Final = (SENT, "bounced", "complained", "failed")
LONGEST: Final = 90
"""Days that `pause_when` may look at."""


class Share(NamedTuple):
    """How many of the mails sent in the window ended in one bad way.

    Attributes:
        what: `bounced`, `complained` or `failed`.
        limit: the share that is too much.
    """

    what: str
    number: int
    sent: int
    limit: float

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.number / self.sent if self.sent else 0.0

    @property
    def too_much(self) -> bool:
        """True if it is as much as the limit, or more."""
        return self.number > 0 and self.share >= self.limit

    def said(self, days: int) -> str:
        """In words."""
        window = "today" if days == 1 else f"within {days} days"
        told = f"{self.number:,} of {self.sent:,} mails sent {window} {self.what}"
        return f"{told} ({self.share:.1%}, limit {self.limit:.1%})"


def let_go_on(detail: Mapping[str, Any], decided_at: datetime) -> date | None:
    """The UTC day on which somebody let the campaign go on, by the latest decision about it; None if nobody did."""
    return decided_at.astimezone(UTC).date() if "before" in detail else None


def known_before(detail: Mapping[str, Any]) -> Daily:
    """What somebody knew of who let the campaign go on, as the decision notes it."""
    days: Mapping[str, Mapping[str, int]] = detail.get("before", {})
    return {(date.fromisoformat(day), what): n for day, found in days.items() for what, n in found.items()}


def shares(rule: PauseWhen, counts: Daily, before: Daily, today: date, resumed: date | None = None) -> list[Share]:
    """Every share that the rule looks at; none of them says anything while fewer mails were sent than it wants.

    Args:
        rule: what is too much, over how many days.
        counts: what has happened, by (day on which the mail was sent, what).
        before: the part of it that somebody knew of who let the campaign go on; it does not count any more.
        today: UTC.
        resumed: the day on which they did; mails of earlier days do not count at all, whatever is still told of them.
    """
    since = max(today - timedelta(days=rule.days - 1), resumed or date.min)
    sums = dict.fromkeys(LOOKED_AT, 0)
    for sign, part in ((1, counts), (-1, before)):
        for (day, what), number in part.items():
            if since <= day <= today and what in sums:
                sums[what] += sign * number
    return [Share(what, max(0, sums[what]), max(0, sums[SENT]), limit) for what, limit in rule.shares.items()]


def too_much(rule: PauseWhen, found: list[Share]) -> list[Share]:
    """The shares that stop the campaign."""
    return [share for share in found if share.sent >= rule.at_least and share.too_much]

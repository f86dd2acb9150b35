"""Quiet hours and business days."""

# ruff: noqa: TC001  (annotations are read at run time)

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.hours import Calendar, Quiet, Weekday, weekdays_of
from workers.rulebook.shape import HOLE, Shape, about
from workers.rulebook.times import Country, Zone

if TYPE_CHECKING:
    from workers.rulebook.problems import Problems

CAMPAIGN: Final = "campaign: welcome\nenter: {event: form.submitted}\nsteps:\n  - send: welcome/hello"
ACCOUNT: Final = """\
account:
  company: Northwind Analytics
  zone: Europe/Berlin
  currency: EUR
  sender: nora@northwind.example
  address: Speicherstraße 12, Hamburg"""
DAY: Final = timedelta(days=1)
SHORTEST: Final = timedelta(hours=1)
"""Less time of a day for mails can hardly be meant."""
OFFICE: Final = tuple(time(hour, minute) for hour in range(9, 17) for minute in range(60))
"""When most people are at work: if all of it is quiet, the hours were most likely taken for those with mail."""
WORKING_DAYS: Final[list[Weekday]] = ["mon", "tue", "wed", "thu", "fri"]


@dataclass(frozen=True)
class QuietHours(Shape):
    """Hours in which nobody is disturbed; over midnight, where they end earlier than they begin."""

    title = "quiet hours"
    makes = Quiet
    frame = f"{CAMPAIGN}\nquiet_hours:\n  {HOLE}"
    start: time = field(metadata=about("local time at which they begin", key="from", example='"20:00"'))
    end: time = field(metadata=about("local time at which they are over", key="to", example='"08:00"'))
    zone: Zone = field(
        default="lead",  # type: ignore[assignment]  # a notation is read as what it says
        metadata=about(
            "whose clock it is: `lead` (the account's, if the lead's is not known), `account`, or a time zone",
            example="account",
        ),
    )

    def made(self, problems: Problems) -> Quiet | None:
        """See `Shape.made`."""
        if self.start == self.end:
            text = f"they begin and end at {self.start:%H:%M}"
            problems.add(self.place("to"), "never-quiet", text, "write another time, or leave them out")
            return None
        quiet = Quiet(self.start, self.end, str(self.zone))
        left = f"mails go out between {self.end:%H:%M} and {self.start:%H:%M} only"
        if quiet.left(self.start) > DAY - SHORTEST:
            problems.warn(self.place("to"), "hardly-open", left, "leave more than an hour of the day for them")
        elif all(quiet.covers(clock) for clock in OFFICE):
            hint = f'to have them go out by day, write `{{from: "{self.end:%H:%M}", to: "{self.start:%H:%M}"}}`'
            problems.warn(self.place("from"), "quiet-by-day", f"{left}, and never by day", hint)
        return quiet


@dataclass(frozen=True)
class Business(Shape):
    """Which days are business days: for `wait: 2 business days`, `accept_within: 1 business day`, and campaigns that
    send on business days only.
    """

    title = "business days"
    makes = Calendar
    frame = f"{ACCOUNT}\n  business:\n    {HOLE}"
    days: list[Weekday] = field(
        default_factory=WORKING_DAYS.copy,
        metadata=about("days of the week with work; default: Monday to Friday", example="[mon, tue, wed, thu]"),
    )
    holidays: list[Country] = field(
        default_factory=list,
        metadata=about(
            "countries whose public holidays are free, like DE, or US-CA for a part of one; `lead` is the lead's own "
            "country (its field of type country, and `region` if there is one)",
            single=True, example="[DE, lead]",
        ),
    )  # fmt: skip
    closed: list[date] = field(
        default_factory=list, metadata=about("other days without work", single=True, example="[2026-12-24, 2026-12-31]")
    )

    def made(self, problems: Problems) -> Calendar | None:
        """See `Shape.made`."""
        if self.node.plain.get("days") == []:
            problems.add(self.place("days"), "never-open", "no day of the week is a business day", "name one, like mon")
            return None
        return Calendar(weekdays_of(self.days), tuple(map(str, self.holidays)), extra=frozenset(self.closed))

"""Times of day at which mails fall due because the file says so, and whether anything may go out then.

Quiet hours and business days put mails off, and that is right for those that fall due at some time or other. A time
that a file names is meant; where no mail ever goes out at it, one of the two is a mistake.
"""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from workers.engine.campaigns.timings import MORNING
from workers.engine.hours import ACCOUNT, LEAD, WEEKDAYS, weekdays_of
from workers.engine.steps import NOWHERE, BusinessDays, send, wait, wait_date, wait_till, wait_until
from workers.rulebook.declarations import DateTrigger, ScheduleTrigger
from workers.rulebook.nodes import key_place

if TYPE_CHECKING:
    from workers.engine.steps import Step
    from workers.rulebook.declarations import CampaignFile
    from workers.rulebook.declarations.campaigns import Enter
    from workers.rulebook.names import Checker
    from workers.rulebook.nodes import Node
    from workers.rulebook.problems import Place
    from workers.rulebook.steps import Journey

DAY: Final = timedelta(days=1)
MIDNIGHT: Final = time()
WEEK: Final = 7


class Due(NamedTuple):
    """A time at which a run comes to a step.

    Attributes:
        clock: local time.
        days: of the week, Monday is 0; None for any.
        zone: whose clock it is: `account`, `lead` where that may be another, or the name of a zone.
        place: where the file says so.
    """

    clock: time
    days: frozenset[int] | None
    zone: str
    place: Place


Times = frozenset[Due | None]
"""When a run may come to a step; None is any time."""
ANY: Final[Times] = frozenset({None})


def check_due(file: CampaignFile, journey: Journey, check: Checker) -> None:
    """Find what `quiet_hours` and `send_on` of a campaign make pointless, or leave open; all its steps were read."""
    if not (file.quiet_hours or file.send_on):
        return
    mails = [step for step in journey.steps if isinstance(step, send.Step)]
    if not mails:
        for key in ("quiet_hours", "send_on"):
            if key in file.node.entries:
                text = f"`{key}` holds mails back, and this campaign sends none"
                check.problems.warn(file.place(key), "no-effect", text, "remove it, or add a `send`")
        return
    hours = Hours(file, check)
    times = arrivals(journey, hours)
    for mail in mails:
        for due in sorted((each for each in times.get(mail.id, ()) if each), key=lambda each: each.place):
            check_time(due, mail, hours)
    if file.send_on:
        check_night(hours, at_any_time=any(None in times.get(mail.id, ()) for mail in mails))


def check_time(due: Due, mail: send.Step, hours: Hours) -> None:
    """Find that a mail never goes out at the time that the file names."""
    if hours.quiet and hours.is_quiet(due):
        text = f"`{mail.send}` is due at {due.clock:%H:%M} and always waits: quiet hours are {hours.quiet}"
        hint = f"name a time outside of them, like {hours.quiet.end:%H:%M}, or change `quiet_hours`"
        hours.check.problems.warn(due.place, "always-late", text, hint)
    elif hours.is_closed(due):
        days = " or ".join(WEEKDAYS[day].capitalize() for day in sorted(due.days or ()))
        text = f"`{mail.send}` is due on {days} and always waits: that is no business day"
        hours.check.problems.warn(due.place, "always-late", text, "name another day, or remove `send_on`")


def check_night(hours: Hours, *, at_any_time: bool) -> None:
    """Find that mails which keep to business days do not keep to the day."""
    hint = 'write `quiet_hours: {from: "20:00", to: "08:00"}`'
    if hours.quiet is None and at_any_time:
        text = "mails go out at any hour of a business day, at three in the morning, too"
        hours.check.problems.warn(hours.file.place("send_on"), "at-night", text, hint)
    elif hours.quiet and not hours.quiet.covers(MIDNIGHT):
        text = "what is due on a day off goes out when the next business day begins, at midnight"
        hint = f"let the quiet hours ({hours.quiet}) last over midnight: {hint}"
        hours.check.problems.warn(hours.file.place("quiet_hours"), "at-night", text, hint)


# ── when runs come to steps ──────────────────────────────────────────────────────────────────────────────────


def arrivals(journey: Journey, hours: Hours) -> dict[str, Times]:
    """When runs may come to each step that they can come to."""
    times: dict[str, Times] = {}
    by_id = {step.id: step for step in journey.steps}
    open_ones = [(journey.steps[0].id, frozenset(hours.begins(each) for each in hours.file.enter))]
    while open_ones:
        name, coming = open_ones.pop()
        known = times.get(name, frozenset())
        if not name or coming <= known:
            continue
        times[name] = known | coming
        step, left = by_id[name], hours.left(by_id[name], journey.nodes[name], times[name])
        for way in getattr(step, "ways", (NOWHERE,)):
            at_once = bool(way) and isinstance(step, wait_date.Step)  # there is no date, or it is past
            open_ones.append((way or journey.after[name], times[name] if at_once else left))
    return times


class Hours:
    """How times of day go through the steps of a campaign."""

    def __init__(self, file: CampaignFile, check: Checker) -> None:
        self.file = file
        self.quiet = file.quiet_hours
        self.check = check
        self._business = check.names.business.weekdays
        self._days = self._clock(self.quiet.zone if self.quiet else LEAD)

    def begins(self, trigger: Enter) -> Due | None:
        """When a trigger starts runs."""
        if isinstance(trigger, ScheduleTrigger):
            days = trigger.schedule.weekdays if trigger.schedule.day is None else None
            return Due(trigger.schedule.clock, days, self._clock(str(trigger.zone)), trigger.place("schedule"))
        if isinstance(trigger, DateTrigger):
            return Due(trigger.at, None, self._clock(str(trigger.zone)), trigger.place("at"))
        return None

    def left(self, step: Step, node: Node, coming: Times) -> Times:
        """When runs go on from a step to the next one, or inside of it."""
        match step:
            case wait.Step():
                return frozenset(self._later(each, step.wait) for each in coming)
            case wait_till.Step():
                days = weekdays_of(step.days) if step.days else None
                place = key_place(node, ["wait_till"])
                return frozenset({Due(step.wait_till, days, self._clock(step.zone), place)})
            case wait_date.Step():
                found = frozenset({self._awaited(step.wait_date, key_place(node, ["wait_date", "at"]))})
                return found if step.otherwise else coming | found  # without steps for it, who has no date goes on
            case wait_until.Step():
                return ANY
            case send.Step():
                return frozenset(self._sent(each) for each in coming)
        return coming

    def _later(self, due: Due | None, length: timedelta | BusinessDays) -> Due | None:
        """The time after a wait: the same for whole days."""
        if due is None:
            return None
        if isinstance(length, BusinessDays):
            return due._replace(days=self._business)
        if length % DAY:
            return None
        return due._replace(days=due.days and frozenset((day + length // DAY) % WEEK for day in due.days))

    def _awaited(self, wanted: wait_date.Awaited, place: Place) -> Due | None:
        """When a date is there that is waited for; any time, where the field tells one."""
        if wanted.at is None and self.check.names.fields.get(wanted.name) != "date":
            return None
        return Due(wanted.at or MORNING, None, self._clock(wanted.zone), place)

    def _sent(self, due: Due | None) -> Due | None:
        """When a run goes on from a mail that was due: at the same time, unless it was put off."""
        if due is None or self.is_quiet(due):
            return None
        if self.is_closed(due):
            return None if self.quiet else due._replace(days=self._business)
        return due

    def is_quiet(self, due: Due) -> bool:
        """True if the time is in the quiet hours."""
        return bool(self.quiet and self._clock(self.quiet.zone) == due.zone and self.quiet.covers(due.clock))

    def is_closed(self, due: Due) -> bool:
        """True if the time is never on a business day, and mails go out on these alone."""
        if not self.file.send_on or due.days is None or self._days != due.zone:
            return False
        return due.days.isdisjoint(self._business)

    def _clock(self, zone: str) -> str:
        """A name that is the same for clocks that always show the same."""
        names = self.check.names
        ours = {ACCOUNT, names.zone} if names.zone_fields else {ACCOUNT, LEAD, names.zone}  # who has no zone has ours
        return ACCOUNT if zone in ours else zone

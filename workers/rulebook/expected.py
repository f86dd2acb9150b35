"""What examples say of campaigns and of times, checked against the campaigns that there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.campaigns.exits import said
from workers.engine.expressions.durations import LONGEST
from workers.engine.hours import zone_by
from workers.engine.rules.journeys import REPLIED
from workers.engine.steps import end, split
from workers.rulebook.declarations.examples import BEGINNING
from workers.rulebook.declarations.expected import Ran
from workers.rulebook.shape import Text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from workers.engine.rules import Campaign
    from workers.rulebook.declarations import Example, Outcome
    from workers.rulebook.declarations.arranged import Others, Paused, UnderWay
    from workers.rulebook.declarations.examples import ExampleEvent
    from workers.rulebook.names import Checker
    from workers.rulebook.problems import Place
    from workers.rulebook.times import Moment

WHEREVER: Final = (
    "unsubscribed", "bounced", "soft-bounced", "complained", "left-by-step", "campaign-gone", "step-gone",
)  # fmt: skip
"""Why a lead may leave any campaign."""
LISTS: Final = ("mails", "runs", "held", "skipped", "not_enrolled", "notified", "posted")
"""The keys of an outcome whose entries name campaigns, steps and times."""
SAID: Final = {"bounced": "bounced", "complained": "were complained about", "failed": "could not be sent"}
"""What becomes of mails, and may pause a campaign."""


@dataclass(frozen=True, slots=True)
class Times:
    """The clocks of an example.

    Attributes:
        fields: what is given of the lead.
        zone: of the account.
        zone_fields: the fields that may tell the lead's zone.
    """

    fields: Mapping[str, Any]
    zone: str
    zone_fields: tuple[str, ...]

    def clock(self, word: str = "lead") -> ZoneInfo:
        """Where a clock hangs."""
        return zone_by(word, self.fields, self.zone, self.zone_fields)[0]

    def instant(self, moment: Moment, word: str = "lead") -> datetime:
        """When a moment is."""
        return moment.instant(BEGINNING, self.clock(word))

    def end(self, example: Example) -> datetime:
        """When the example is looked at."""
        if example.at is not None:
            return self.instant(example.at)
        return max((self.instant(each.at) for each in example.given.events), default=BEGINNING)


class Expectations:
    """Checks what one example says of campaigns.

    Args:
        example: the example.
        campaigns: those that could be read whole.
        check: takes what is wrong.
    """

    def __init__(self, example: Example, campaigns: Mapping[str, Campaign], check: Checker) -> None:
        self._example = example
        self._campaigns = campaigns
        self._check = check
        self._times = Times(example.given.lead, check.names.zone, check.names.zone_fields)
        self._end = self._times.end(example)

    def check(self) -> None:
        """Check all of it."""
        self._check_given()
        for outcome in (self._example.expect, self._example.never):
            if outcome is not None:
                self._check_outcome(outcome)

    # ── given ────────────────────────────────────────────────────────────────────────────────────────────────

    def _check_given(self) -> None:
        given = self._example.given
        if self._example.at is not None:
            self._exists(self._example.at, "lead", self._example.place("at"))
        told: list[ExampleEvent | Others] = [*given.events, *given.others]
        for event in told:
            if self._exists(event.at, "lead", event.place("at")) and self._is_after(event.at):
                text = "this happens after the example is looked at"
                self._add(event.place("at"), "never-fires", text, "let it happen earlier, or look later with `at`")
        for name, arm in given.arms.items():
            self._check_arm_given(name, arm)
        for name in given.held_out:
            self._check_held_out(name)
        for name in given.published:
            self._known_campaign(name)
        for pause in given.paused:
            self._check_pause(pause)
        for number, run in enumerate(given.under_way):
            self._check_under_way(run, {str(other.campaign) for other in given.under_way[:number]})
        for others in given.others:
            self._check_others(others)

    def _check_pause(self, pause: Paused) -> None:
        """A pause has to last."""
        self._known_campaign(pause.campaign)
        if pause.end is not None and self._times.instant(pause.end) <= self._times.instant(pause.begin):
            self._add(pause.place("to"), "never-paused", "the pause ends before it begins", "correct `from` or `to`")

    def _check_under_way(self, run: UnderWay, others: Collection[str]) -> None:
        """The step has to be one that the campaign has, or takes people along from; `others` are those before it."""
        if run.campaign in others:
            text = f"the lead is in {run.campaign} already, and in it once at a time"
            self._add(run.place("campaign"), "duplicate-name", text, "remove one of them")
        if self._known_campaign(run.campaign) and (campaign := self._campaigns.get(run.campaign)):
            along = campaign.edit == "move"
            declare = f"add it to `edit: {{move: …}}` of {run.campaign} if it is a removed one" if along else ""
            self._check.known("step", run.step, {*campaign.by_id, *campaign.moves}, declare)
        if run.until is not None:
            self._exists(run.until, "lead", run.place("until"))

    def _check_others(self, others: Others) -> None:
        """Mails that nothing looks at, or more that ended badly than were sent."""
        told = sorted(SAID.keys() & others.node.entries.keys())
        if self._known_campaign(others.campaign) and (campaign := self._campaigns.get(others.campaign)):
            looked_at = campaign.pause_when.shares if campaign.pause_when else {}
            for name in [each for each in told if each not in looked_at]:
                text = f"{campaign.name} never pauses because of mails that {SAID[name]}"
                self._add(others.node.keys[name], "never-paused", text, f"name `{name}` in its `pause_when`")
        for name in told:
            if getattr(others, name) > others.sent:
                text = f"{getattr(others, name)} {name}, and {others.sent} were sent"
                self._add(others.place(name), "out-of-range", text, "correct one of the two")

    def _check_arm_given(self, name: Text, arm: Text) -> None:
        """`campaign.split: arm`."""
        campaign, _, step = name.partition(".")
        if not step:
            self._add(name.place, "bad-name", f"`{name}` names no split", "write it like campaign.id-of-the-split")
        elif self._known_campaign(Text.at(campaign, name.place)):
            self._check_arm(campaign, Text.at(step, name.place), arm)

    def _check_held_out(self, name: Text) -> None:
        if self._known_campaign(name) and (campaign := self._campaigns.get(name)) and not campaign.hold_out:
            self._add(name.place, "never-held-out", f"{name} holds nobody out", "add `hold_out: 5%` there")

    # ── expected ─────────────────────────────────────────────────────────────────────────────────────────────

    def _check_outcome(self, outcome: Outcome) -> None:
        """Entries of lists, and what only some of them have."""
        for model in outcome.points:
            self._check.score(model)
        for entry in (entry for key in LISTS for entry in getattr(outcome, key)):
            campaign = getattr(entry, "campaign", None)
            if campaign is not None and self._known_campaign(campaign) and getattr(entry, "step", None):
                self._known_step(campaign, entry.step)
            self._check_time(entry)
        for mail in outcome.mails:
            self._check.known(
                "template", mail.send, self._check.names.templates, f"write templates/{mail.send}/mail.txt"
            )
        for run in outcome.runs:
            if (found := self._campaigns.get(run.campaign)) is not None:
                self._check_run(run, found)

    def _check_time(self, entry: Any) -> None:
        """When something came about, or how long it stays so."""
        at, until = getattr(entry, "at", None), getattr(entry, "until", None)
        if at is not None and self._exists(at, entry.zone, entry.place("at")) and self._is_after(at, entry.zone):
            text = "this is after the example is looked at"
            self._add(entry.place("at"), "never-fires", text, "write an earlier time, or look later with `at`")
        if until is None or not self._exists(until, entry.zone, entry.place("until")):
            return
        if isinstance(entry, Ran) and self._times.instant(until, str(entry.zone)) < self._end:
            text = "this is over when the example is looked at"
            self._add(entry.place("until"), "never-fires", text, "write a later time, or look earlier with `at`")

    def _is_after(self, moment: Moment, zone: str = "lead") -> bool:
        """True for what comes when nobody looks any more."""
        return self._times.instant(moment, zone) > self._end

    def _check_run(self, run: Ran, campaign: Campaign) -> None:
        """What only some campaigns have."""
        for step, arm in run.arms.items():
            self._check_arm(campaign.name, step, arm)
        if run.end is not None:
            words = [each.end for each in campaign.steps if isinstance(each, end.Step)]
            self._check.known("end", run.end, words, f"no step of {campaign.name} says `end: {run.end}`")
        if run.exit is not None:
            self._check.known("exit", run.exit, [*reasons(campaign), *WHEREVER])
        if run.goal and campaign.goal is None:
            self._add(run.place("goal"), "no-goal", f"{campaign.name} has no goal", "add `goal` there, or remove this")
        if run.outcome == "held_out" and not campaign.hold_out:
            self._add(
                run.place("outcome"), "never-held-out", f"{campaign.name} holds nobody out", "add `hold_out: 5%` there"
            )

    # ── names and times ──────────────────────────────────────────────────────────────────────────────────────

    def _known_campaign(self, name: Text) -> bool:
        return self._check.known("campaign", name, self._check.names.campaigns)

    def _known_step(self, campaign: str, step: Text) -> None:
        """A step of a campaign that could be read."""
        if (found := self._campaigns.get(campaign)) is not None:
            self._check.known("step", step, found.by_id, "see their ids with `dripline campaign show`")

    def _check_arm(self, campaign: str, step: Text, arm: Text) -> None:
        """An arm of a split of a campaign that could be read."""
        if (found := self._campaigns.get(campaign)) is None:
            return
        splits = {each.id: each for each in found.steps if isinstance(each, split.Step)}
        if self._check.known("split", step, splits, f"no step of {campaign} is a split of this id"):
            self._check.known("arm", arm, splits[step].split.arms)

    def _exists(self, moment: Moment, zone: str, place: Place) -> bool:
        """True if the clock shows that time, and not before the example begins."""
        at = self._times.instant(moment, zone)
        if moment.clock and at.astimezone(self._times.clock(zone)).replace(tzinfo=None) != moment.clock:
            self._add(place, "no-such-time", "the clock is put forward over this time", "write another")
        elif at < BEGINNING:
            text = f"this is before the example begins, on {BEGINNING:%Y-%m-%d at %H:%M} UTC"
            self._add(place, "never-fires", text, "write a later time")
        elif at > BEGINNING + LONGEST:
            self._add(place, "out-of-range", "this is more than ten years away", "write an earlier time")
        else:
            return True
        return False

    def _add(self, place: Place, code: str, text: str, hint: str) -> None:
        self._check.problems.add(place, code, text, hint)


def reasons(campaign: Campaign) -> Iterator[str]:
    """Why leads exit a campaign, as far as it says."""
    for trigger in campaign.exits:
        yield trigger.event or said(trigger)
    if campaign.on_reply and not campaign.on_reply.pause:
        yield REPLIED

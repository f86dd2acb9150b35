"""What holds of campaigns whatever happens: random edits, pauses, late looks and quiet hours, at random times."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings

from tests.workers.simulate.lives import LEAD, Life
from tests.workers.simulate.stories import NAMES, stories
from tests.workers.simulate.test_campaigns import EMAIL, RULES, START, mail
from workers.engine.campaigns.runs import campaign_of, effect_key
from workers.engine.decide import decide
from workers.engine.values import Event, Send, instant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tests.workers.simulate.stories import Action
    from workers.engine.decide import Outcome
    from workers.engine.rules import Campaign
    from workers.engine.values import Decision, Enrolment

BASE: Final = {f"rules/{name}.yaml": RULES[f"rules/{name}.yaml"] for name in ("account", "fields", "events")}
TEMPLATE: Final = re.compile(r'"(t\d+)"')
WINDOWS: Final = {"day": timedelta(days=1), "week": timedelta(days=7)}
LONG: Final = timedelta(days=500)
REASONS: Final = {"done-before", "cap", "so-already", None}
"""Why a step may be skipped in these stories."""


class Watched(Life):
    """A life in which everything is looked at that was decided."""

    cap: str | None = None
    since: dict[str, datetime]
    """When each run was last changed."""

    def of(self, name: str, run: Enrolment) -> Campaign | None:
        """The campaign by which a run goes."""
        current = self.rules.campaigns.get(campaign_of(name))
        if current and (current.version == run.version or current.edit == "move"):
            return current
        return self.rules.archive.get((campaign_of(name), run.version))

    def look(self, events: Sequence[Event], now: datetime) -> Outcome:
        waited = {name: (run, self.of(name, run)) for name, run in self.state.enrolments.items() if waits(run)}
        before = dict(self.state.enrolments)
        outcome = super().look(events, now)
        for name, run in before.items():
            if self.since.get(name) != now:
                self.check_moved(name, run)
        for name, run in self.state.enrolments.items():
            if run != before.get(name):
                self.since[name] = now
        for decision in outcome.decisions:
            self.check(decision, now)
        for name, (run, campaign) in waited.items():
            self.check_heard(name, run, campaign, {event.type for event in events})
        self.check_rest(now)
        if self.wake_at is not None and not self.late:
            between = now + (self.wake_at - now) / 2
            assert not decide(self.state, LEAD, (), self.rules, between).decisions, "something is noticed too late"
        return outcome

    def check(self, decision: Decision, now: datetime) -> None:
        assert decision.kind != "skipped" or decision.detail.get("reason") in REASONS, decision
        if not isinstance(decision.effect, Send):
            return
        assert decision.effect.campaign not in self._paused, "sent while paused"
        ((name, run),) = [
            (name, run)
            for name, run in self.state.enrolments.items()
            if effect_key("mail", 1, campaign_of(name), run, decision.effect.step) == decision.effect.key
        ]
        campaign = self.of(name, run)
        assert campaign is not None
        local = now.astimezone(ZoneInfo(self.state.fields.get("time_zone", "Europe/Berlin")))
        if campaign.quiet:
            start, end, clock = campaign.quiet.start, campaign.quiet.end, local.time()
            quiet = start <= clock < end if start <= end else clock >= start or clock < end
            assert not quiet, f"sent at {clock}"
        assert not campaign.business_days or local.weekday() < 5
        self.check_cap(now)

    def check_cap(self, now: datetime) -> None:
        """There are not more mails than the cap allows that is in force now."""
        if self.cap:
            most, _, window = self.cap.partition(",")[0].partition(" per ")
            sent = [at for at, _, _ in self.mails if at > now - WINDOWS[window]]
            assert len(sent) <= int(most), f"{len(sent)} mails since {sent[0]}"

    def check_heard(self, name: str, run: Enrolment, campaign: Campaign | None, types: set[str]) -> None:
        """Whoever waited for what has happened does not wait for it any more."""
        step = campaign.by_id.get(run.step) if campaign else None
        wanted = getattr(getattr(step, "wait_until", None), "event", None)
        after = self.state.enrolments[name]
        if wanted in types and after.run == run.run:
            assert (after.step, after.hold, after.due) != (run.step, "until", run.due), "not heard"

    def check_moved(self, name: str, run: Enrolment) -> None:
        """Whoever waited for something at a step that an edit has removed does not wait for it at another.

        It can't be told where that waits for a date, which may well be the same, nor for who began to wait just now.
        """
        after, campaign = self.state.enrolments[name], self.of(name, run)
        if waits(run) and waits(after) and campaign and campaign.version == after.version != run.version:
            step = campaign.moves.get(run.step, run.step)
            dated = hasattr(campaign.by_id.get(after.step), "wait_date")
            assert step == run.step or dated or (after.step, after.due) != (step, run.due), "held by what is gone"

    def check_rest(self, now: datetime) -> None:
        """Nobody stands anywhere without something that moves them on, and the lead wakes up for it."""
        for name, run in self.state.enrolments.items():
            if run.outcome:
                continue
            if run.hold == "paused":
                assert (campaign_of(name) in self._paused, run.due) == (True, None), f"{name} is held by nothing"
            else:
                assert run.due is not None, f"{name} waits for nothing"
                assert self.wake_at is not None
                assert self.wake_at <= max(instant(run.due), now + timedelta(seconds=1))


def waits(run: Enrolment) -> bool:
    return run.hold == "until" and not run.outcome


def lived(story: tuple[int, list[Action]]) -> Watched:
    late, actions = story
    life = Watched(BASE, timedelta(hours=late))
    life.since = {}
    now, number = START, 0
    for action in actions:
        now += timedelta(hours=action.after)
        if action.what == "rules":
            life.live(now)
            life.cap, campaigns = action.given
            life.publish(files(life.cap, campaigns), now)
        elif action.what in {"pause", "resume"}:
            getattr(life, action.what)(action.given, now)
        elif action.what == "look":
            life.live(now)
            life.look((), now)
            assert life.look((), now).decisions == (), "something was done that was done already"
        else:
            batch = [happened(number + each, action, now) for each in range(1, 1 + clicks(action))]
            number += len(batch)
            life.live(now)
            life.log += batch
            life.look(batch, now)
            check_exits(life, {event.type for event in batch})
    for name in NAMES:
        life.resume(name, now)
    life.late = timedelta()  # so that somebody who may be mailed in one hour of the day alone is mailed some day
    life.live(now + LONG)
    return life


def files(cap: str | None, campaigns: list[str]) -> dict[str, str]:
    found = {f"rules/campaigns/{number}.yaml": text for number, text in enumerate(campaigns)}
    found |= {f"templates/{name}/mail.txt": mail("marketing") for text in campaigns for name in TEMPLATE.findall(text)}
    if cap:
        limit, _, over = cap.partition(", ")
        found["rules/caps.yaml"] = f"caps: {{limit: {limit}, over: {over or 'delay'}}}"
    return found


def clicks(action: Action) -> int:
    return int(action.given) if action.what == "click" else 1


def happened(number: int, action: Action, now: datetime) -> Event:
    types = {"start": "trial.started", "click": "email.clicked", "reply": "email.replied"}
    lead: dict[str, Any] = {"email": EMAIL}
    plan = {"plan": action.given} if action.what == "start" else {}
    if action.what == "move":
        lead |= action.given
    return Event(number, types.get(action.what, "page.viewed"), now, plan, lead)


def check_exits(life: Watched, types: set[str]) -> None:
    """Exits act at once, paused or not."""
    for name, run in life.state.enrolments.items():
        campaign = life.of(name, run)
        if campaign and not run.outcome:
            assert not types & {each.event for each in campaign.exits}, f"{name} goes on"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(stories())
def test_whatever_happens_nobody_is_mailed_twice_nobody_is_stranded_and_nothing_goes_out_when_it_may_not(story) -> None:
    life = lived(story)
    assert all(run.outcome for run in life.state.enrolments.values()), "somebody never comes to an end"
    keys = Counter(key for _, key, _ in life.mails)
    assert max(keys.values(), default=0) <= 1
    templates = Counter((key.rpartition(":")[0], template) for _, key, template in life.mails)
    assert max(templates.values(), default=0) <= 1, templates.most_common(1)
    assert life.looks < 600

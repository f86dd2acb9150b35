"""What an example arranges beside the events: where chance sends the lead, pauses, and campaigns that come later."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.entry import is_held_out
from workers.engine.pausing import LOOKED_AT, shares, too_much
from workers.engine.rules import Controls
from workers.engine.values import Enrolment, micros
from workers.rulebook.declarations.examples import BEGINNING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime

    from workers.engine.rules import Campaign, Rulebook, Trigger
    from workers.rulebook.declarations import Given
    from workers.rulebook.declarations.arranged import UnderWay
    from workers.rulebook.expected import Times

EARLIER: Final = "earlier"
"""Stands for the version of a campaign before the edit that takes its people along."""
MOST_DRAWN: Final = 200_000
"""So many numbers are tried: enough for four splits of ten arms."""


def drawn(given: Given, rulebook: Rulebook) -> int | None:
    """The first number of a lead that chance sends the ways that are given; None if none of many is sent so."""
    campaigns = rulebook.campaigns
    out = {name: name in given.held_out for name, campaign in campaigns.items() if campaign.hold_out}
    splits = [(name.partition("."), arm) for name, arm in given.arms.items()]
    arms = [(campaigns[campaign].by_id[step], campaign, arm) for (campaign, _, step), arm in splits]
    for number in range(1, MOST_DRAWN):
        if all(is_held_out(campaigns[name], number) == wanted for name, wanted in out.items()) and all(
            split.drawn(campaign, number) == arm  # type: ignore[attr-defined]  # `check` lets none but splits pass
            for split, campaign, arm in arms
        ):
            return number
    return None


def changes(given: Given, rulebook: Rulebook, times: Times) -> list[tuple[datetime, Rulebook]]:
    """The rules that are in force from the beginning, and from each instant on at which somebody changes that."""
    published = {str(name): times.instant(moment) for name, moment in given.published.items()}
    pauses = [
        (str(each.campaign), times.instant(each.begin), None if each.end is None else times.instant(each.end))
        for each in given.paused
    ]
    pauses += [(name, at, None) for name, at in by_themselves(given, rulebook, times)]
    turns = {BEGINNING, *published.values(), *(at for _, *both in pauses for at in both if at is not None)}
    told = []
    for at in sorted(turns):
        missing = {name for name, since in published.items() if since > at}
        paused = frozenset(name for name, begin, end in pauses if begin <= at and (end is None or at < end))
        controls = replace(rulebook.controls, paused=paused) if paused else Controls()
        told.append((at, replace(without(rulebook, missing) if missing else rulebook, controls=controls)))
    return told


def by_themselves(given: Given, rulebook: Rulebook, times: Times) -> Iterator[tuple[str, datetime]]:
    """The campaigns that pause themselves because of what becomes of other people's mails, and when."""
    counts: defaultdict[str, dict[tuple[date, str], int]] = defaultdict(dict)
    for at, others in sorted(((times.instant(each.at), each) for each in given.others), key=itemgetter(0)):
        rule, today = rulebook.campaigns[others.campaign].pause_when, at.astimezone(UTC).date()
        known = counts[others.campaign]
        known |= {(today, what): getattr(others, what) for what in LOOKED_AT}  # in place of what was known of that day
        if rule is not None and too_much(rule, shares(rule, known, {}, today)):
            yield str(others.campaign), at


def entered_before(given: Given, rulebook: Rulebook, times: Times) -> dict[str, Enrolment]:
    """The runs that the lead is in already, by campaign."""
    return {str(each.campaign): entered(each, rulebook.campaigns[each.campaign], times) for each in given.under_way}


def entered(run: UnderWay, campaign: Campaign, times: Times) -> Enrolment:
    """A run that stands at a step: of an earlier version where the campaign takes people along, else of this one."""
    version = EARLIER if campaign.edit == "move" else campaign.version
    due = BEGINNING if run.until is None else times.instant(run.until)
    return Enrolment(version, 1, micros(BEGINNING), str(run.step), micros(due))


def without(rulebook: Rulebook, names: set[str]) -> Rulebook:
    """The rules as they were before some campaigns were published."""

    def left(index: dict[str, tuple[tuple[Campaign, Trigger], ...]]) -> dict[str, tuple[tuple[Campaign, Trigger], ...]]:
        return {event: tuple(pair for pair in pairs if pair[0].name not in names) for event, pairs in index.items()}

    return replace(
        rulebook,
        campaigns={name: campaign for name, campaign in rulebook.campaigns.items() if name not in names},
        enter_by_event=left(dict(rulebook.enter_by_event)),
        exit_by_event=left(dict(rulebook.exit_by_event)),
        plan=f"{rulebook.plan} without {', '.join(sorted(names))}",
    )

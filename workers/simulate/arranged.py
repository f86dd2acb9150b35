"""What an example arranges beside the events: where chance sends the lead, pauses, and campaigns that come later."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.entry import is_held_out
from workers.engine.rules import Controls
from workers.rulebook.declarations.examples import BEGINNING

if TYPE_CHECKING:
    from datetime import datetime

    from workers.engine.rules import Campaign, Rulebook, Trigger
    from workers.rulebook.declarations import Given
    from workers.rulebook.expected import Times

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
    turns = {BEGINNING, *published.values(), *(at for _, *both in pauses for at in both if at is not None)}
    told = []
    for at in sorted(turns):
        missing = {name for name, since in published.items() if since > at}
        paused = frozenset(name for name, begin, end in pauses if begin <= at and (end is None or at < end))
        controls = replace(rulebook.controls, paused=paused) if paused else Controls()
        told.append((at, replace(without(rulebook, missing) if missing else rulebook, controls=controls)))
    return told


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

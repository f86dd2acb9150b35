"""How the recorded days are cut up: the clock stands still at the end of each step, and then that step's post comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workers.demo.behaviour import END, START, STEP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from workers.demo.wire import Delivery

WHO = re.compile(r'"email":"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Beat:
    """One stand of the clock.

    Attributes:
        at: where it stands; every event of this beat happened before.
        waves: what is posted, in groups one after the other; nobody occurs in two deliveries of a group, so that
            posting a group at once leaves nothing about one person to chance.
    """

    at: datetime
    waves: tuple[tuple[Delivery, ...], ...]


def beats(deliveries: Iterable[Delivery]) -> Iterator[Beat]:
    """All steps from start to end, those without post included: waits end in them, too."""
    post = list(deliveries)
    at, next_one = START, 0
    while at < END:
        at += STEP
        first = next_one
        while next_one < len(post) and post[next_one].at <= at:
            next_one += 1
        yield Beat(at, waves(post[first:next_one]))


def waves(deliveries: Iterable[Delivery]) -> tuple[tuple[Delivery, ...], ...]:
    """Each delivery in the first group after the last one that it shares a person with."""
    groups: list[list[Delivery]] = []
    seen: dict[str, int] = {}
    for delivery in deliveries:
        people = set(WHO.findall(delivery.body))
        place = max((seen.get(person, 0) for person in people), default=0)
        if place == len(groups):
            groups.append([])
        groups[place].append(delivery)
        seen.update(dict.fromkeys(people, place + 1))
    return tuple(map(tuple, groups))

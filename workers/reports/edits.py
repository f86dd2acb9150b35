"""What an edit of campaigns does to the people who are under way in them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.text import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.engine.rules import Campaign, Rulebook

PIN: Final = "pin"
MOVE: Final = "move"
DRAIN: Final = "drain"
REMOVED: Final = "removed"
"""The rules do not have the campaign any more: whoever is in it keeps to their version, as for `pin`."""
STRANDED: Final = "stranded"
"""The campaign moves everybody, and has no step for these people."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of the people at one step of a version of a campaign.

    Attributes:
        version: of the campaign, that they are in.
        step: where they stand; empty for those who have only the end before them.
        people: runs.
        what: `pin` (they keep to their version), `move` (they go on in the new one), `drain` (they keep to theirs, and
            nobody enters any more), `removed` or `stranded`.
        to: for `move`, the step at which they go on.
    """

    campaign: str
    version: str
    step: str
    people: int
    what: str
    to: str = ""

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)


def fates(under_way: Mapping[tuple[str, str, str], int], rulebook: Rulebook) -> list[Fate]:
    """What becomes of everybody for whom something changes, or who is in another version than these rules hold.

    Args:
        under_way: runs by (campaign, version, step) that they stand at.
        rulebook: the new rules.
    """
    found = []
    for (name, version, step), people in sorted(under_way.items()):
        campaign = rulebook.campaigns.get(name)
        if campaign is None or campaign.version != version or campaign.edit == DRAIN:
            found.append(Fate(name, version, step, people, *fate(campaign, step)))
    return found


def fate(campaign: Campaign | None, step: str) -> tuple[str, str]:
    """What becomes of those at a step of another version, and where they go on."""
    if campaign is None:
        return REMOVED, ""
    if campaign.edit != MOVE:
        return campaign.edit, ""
    to = campaign.moves.get(step, step)
    return (MOVE, to) if not to or to in campaign.by_id else (STRANDED, "")


def lost(found: Iterable[Fate]) -> list[Fate]:
    """Those for whom there is no step."""
    return [each for each in found if each.what == STRANDED]


def mended(campaign: Campaign, stranded: Iterable[Fate], before: Campaign | None) -> dict[str, str]:
    """What `move` would have to say for nobody to be stranded: each removed step with the best guess for it.

    That is the next step of the old campaign that is still there, else the one that is called most alike.
    """
    return {**campaign.moves, **{each.step: guess(campaign, each.step, before) for each in stranded}}


def guess(campaign: Campaign, step: str, before: Campaign | None) -> str:
    """The step that may stand for a removed one."""
    here, seen = step, set[str]()
    while before and here in before.following and here not in seen:
        seen.add(here)
        here = before.following[here]
        if here in campaign.by_id:
            return here
    return nearest(step, campaign.by_id) or campaign.first

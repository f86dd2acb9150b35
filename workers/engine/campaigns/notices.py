"""What colleagues are told of a campaign's people: who it is, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from workers.engine.rules import Campaign, Rulebook
    from workers.engine.values import LeadState

ON_REPLY: Final = "on_reply"
"""Stands for the step in what a campaign says of replies."""
NOBODY: Final = "nobody-to-tell"
"""Reason of a message that has no receiver."""
WHO: Final = ("first_name", "last_name", "title", "company", "email", "phone")


def owner_of(rulebook: Rulebook, campaign: Campaign) -> str:
    """Who is told: the campaign's owner, or else whom promotion falls back on; empty if there is neither."""
    return campaign.owner or (rulebook.promotion.fallback if rulebook.promotion else "")


def card(state: LeadState, campaign: str) -> str:
    """Who the lead is, a line each."""
    known = [str(state.fields[name]) for name in WHO if state.fields.get(name)]
    return "\n".join([*known, f"Stage: {state.stage}", f"Campaign: {campaign}"])

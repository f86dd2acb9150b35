"""Where and when a lead lives, as far as a campaign has to know: its zone, its country, its working days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.engine.hours import country_of, next_allowed, zone_by

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from workers.engine.steps import Visit


def zone_for(visit: Visit, word: str = "lead") -> tuple[ZoneInfo, str]:
    """The zone that `lead`, `account` or a name stands for, and why a lead's own cannot be taken, or ""."""
    rulebook = visit.rulebook
    return zone_by(word, visit.state.fields, rulebook.account.zone, rulebook.zone_fields)


def country_for(visit: Visit) -> tuple[str | None, str]:
    """The lead's country, or part of one, as far as its holidays are known; and why not, or ""."""
    return country_of(visit.state.fields, visit.rulebook.country_fields)


def allowed_from(visit: Visit, at: datetime) -> tuple[datetime, str]:
    """The earliest instant from `at` on at which the campaign may send to this lead, and what was in doubt."""
    campaign, business = visit.campaign, visit.rulebook.account.business
    zone, doubt = zone_for(visit, campaign.quiet.zone if campaign.quiet else "lead")
    country, strange = country_for(visit) if campaign.business_days else (None, "")
    calendar = business if campaign.business_days else None
    return next_allowed(at, zone, campaign.quiet, calendar, country), doubt or strange

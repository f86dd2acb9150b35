"""Which time zone counts for a lead."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEAD: Final = "lead"
ACCOUNT: Final = "account"
ZONE_FIELDS: Final = ("time_zone", "zone", "timezone")
"""Where a lead's zone stands, for those who do not know which fields are declared as zones."""
ZONE_UNKNOWN: Final = "zone-unknown"
"""The reason why the account's zone is taken although the lead has one."""


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The IANA time zone of this name, or None. (`ZoneInfo` itself keeps eight of them and reads the others anew.)"""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # its names are paths: impossible ones and folders raise the latter two
        return None


def zone_of(fields: Mapping[str, Any], fallback: str, names: Sequence[str] = ZONE_FIELDS) -> tuple[ZoneInfo, str]:
    """The zone that a lead lives in.

    Args:
        fields: what is known about the lead.
        fallback: the account's zone, for leads whose own is not known.
        names: the fields that a zone may stand in, the first one that is there counts.

    Returns:
        the zone, and why the lead's own could not be taken: `zone-unknown`, or empty.
    """
    for name in names:
        if said := fields.get(name):
            zone = zone_named(said) if isinstance(said, str) else None
            return (zone, "") if zone else (ZoneInfo(fallback), ZONE_UNKNOWN)
    return zone_named(fallback) or ZoneInfo(fallback), ""


def zone_by(
    word: str, fields: Mapping[str, Any], fallback: str, names: Sequence[str] = ZONE_FIELDS
) -> tuple[ZoneInfo, str]:
    """The zone that a rule file means by `lead`, `account` or a name; the rest is as in `zone_of`."""
    if word == LEAD:
        return zone_of(fields, fallback, names)
    name = fallback if word == ACCOUNT else word
    return zone_named(name) or ZoneInfo(name), ""

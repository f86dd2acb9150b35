"""The file `sending` into what delivery does by it."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from workers.engine.rules import RateLimit, Sending, WarmUp
from workers.rulebook.declarations.sending import ProviderLimit

if TYPE_CHECKING:
    from workers.rulebook.declarations import SendingFile
    from workers.rulebook.names import Checker


def sending(file: SendingFile | None, check: Checker) -> Sending:
    """How fast mail goes out; without a limit, where no file says so."""
    if file is None:
        return Sending()
    limits = []
    for each in file.sending.limits:
        of, name = ("provider", each.provider) if isinstance(each, ProviderLimit) else ("domain", each.domain)
        limits.append(RateLimit(of, str(name).lower(), each.limit.most, each.limit.window))
    midnight, zone = time(), ZoneInfo(check.names.zone)
    plans = [
        WarmUp(str(each.provider), datetime.combine(each.start, midnight, zone), tuple(each.per_day))
        for each in file.sending.warm_up
    ]
    return Sending(tuple(limits), tuple(plans))

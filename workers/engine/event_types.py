"""The event types that mean more to the engine than points and counts."""

from __future__ import annotations

from typing import Final

SALES: Final = frozenset({"crm.accepted", "crm.stage_changed", "crm.won", "crm.lost"})
"""What says how a hand-off and its opportunity are doing."""
SUPPRESSING: Final = frozenset({"email.unsubscribed", "email.complained", "email.bounced"})
"""What may rule out further mail."""
GIVE: Final = "consent.given"
CONFIRM: Final = "consent.confirmed"
WITHDRAW: Final = "consent.withdrawn"
LIFT: Final = "suppression.removed"
RESUBSCRIBE: Final = "email.resubscribed"
HEARD: Final = frozenset({GIVE, CONFIRM, WITHDRAW, LIFT, RESUBSCRIBE})
"""What says which mail a person wants to get."""
ENGAGEMENT: Final = frozenset({"email.opened", "email.clicked"})
"""What machines do, too: scanners open mails and follow links."""
NO_SIGN: Final = frozenset({
    "email.delivered", "email.sent", "email.deferred", "email.dropped", "email.auto_replied", "email.bounced",
    "email.complained", "email.unsubscribed", "crm.stage_changed", "crm.won", "crm.lost", "crm.accepted",
    "suppression.removed",
})  # fmt: skip
"""What happens to a person or is done about them, not by them."""

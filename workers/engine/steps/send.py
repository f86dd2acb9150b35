"""`send`: hand one e-mail to the outbox.

    - send: welcome/hello

The mail goes out once per lead, campaign and run, however often the step is looked at. Whoever may not be mailed, or
has no address, is skipped here with the reason and goes on to the next step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.steps import Verdict
from workers.engine.values import Send

if TYPE_CHECKING:
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `send`, the template's folder below `templates/`."""

    send: str = field(metadata={"names": "template"})
    id: str

    def run(self, visit: Visit) -> Verdict:
        """An e-mail for the outbox, or the reason for none."""
        reason = visit.state.suppressed or ("" if visit.state.fields.get("email") else "no-email")
        if reason:
            return Verdict("skipped", {"reason": reason, "template": self.send})
        key = f"mail:{visit.lead_id}:{visit.campaign}:{visit.run}:{self.id}"
        return Verdict("sent", {"template": self.send}, Send(key, visit.campaign, self.id, self.send))

"""`webhook`: post what is known about the lead to somebody else's program.

    - webhook: {hook: signed, type: trial.stalled, fields: [email, company, seats]}

The JSON has `type`, `timestamp` and `data`, as Standard Webhooks recommend; `data` has the campaign, the step, and of
the `lead` its number and the fields that are named here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.engine.campaigns.runs import effect_key
from workers.engine.steps import Verdict, said
from workers.engine.values import Hook

if TYPE_CHECKING:
    from workers.engine.steps import Visit

REACHED: Final = "campaign.step_reached"


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `webhook` with `hook`, `type` and `fields`."""

    hook: str = field(metadata=said("the hook that takes it, like `signed`", names="hook"))
    id: str
    type: str = field(default=REACHED, metadata=said("what it is called there; default: campaign.step_reached"))
    fields: tuple[str, ...] = field(
        default=("email",), metadata=said("the lead's fields that go along; default: the address", names="field")
    )

    def run(self, visit: Visit) -> Verdict:
        """Something to post."""
        key = effect_key("hook", visit.lead_id, visit.campaign.name, visit.run, self.id)
        data = {
            "campaign": visit.campaign.name,
            "step": self.id,
            "run": visit.run.run,
            "lead": {"id": visit.lead_id, **{name: visit.state.fields.get(name) for name in self.fields}},
        }
        payload = {"type": self.type, "timestamp": visit.now.isoformat(), "data": data}
        return Verdict("posted", {"hook": self.hook, "type": self.type}, Hook(key, self.hook, payload))

"""`send`: hand one e-mail to the outbox.

    - send: welcome/hello

Below `templates/`, the mail is a folder of that name (`dripline docs templates`). The mail goes out once per lead,
campaign and run, however often the step is looked at. Whoever may not be mailed, has no address, or does not want mail
of this category, is skipped here with the reason and goes on to the next step. In quiet hours, on days off, for a
while after a reply (if the campaign has `on_reply`), and where a cap is full, the mail waits for its time, or is
skipped if the cap says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from workers.engine.campaigns.gates import CAP, QUIET, REPLY, capped, category_of, unwanted
from workers.engine.campaigns.places import allowed_from
from workers.engine.campaigns.runs import effect_key
from workers.engine.steps import Verdict
from workers.engine.values import Send, instant

if TYPE_CHECKING:
    from workers.engine.steps import Visit


@dataclass(frozen=True, slots=True)
class Step:
    """Settings: `send`, the template's folder below `templates/`."""

    send: str = field(metadata={"names": "template"})
    id: str

    def run(self, visit: Visit) -> Verdict:
        """An e-mail for the outbox, or the reason for none, or for none yet."""
        if reason := unwanted(visit.call, self.send):
            return Verdict("skipped", {"reason": reason, "template": self.send})
        if held := self._answered(visit):
            return held
        if visit.campaign.quiet or visit.campaign.business_days:
            allowed, doubt = allowed_from(visit, visit.now)
            if allowed > visit.now:
                detail = {"reason": QUIET, "until": allowed.isoformat(), **({"doubt": doubt} if doubt else {})}
                return Verdict("held", detail, until=allowed, hold=QUIET)
        if held := self._capped(visit):
            return held
        key = effect_key("mail", visit.lead_id, visit.campaign.name, visit.run, self.id)
        return Verdict("sent", {"template": self.send}, Send(key, visit.campaign.name, self.id, self.send))

    @staticmethod
    def _answered(visit: Visit) -> Verdict | None:
        """That somebody who has just written back hears nothing from a machine."""
        pause = visit.campaign.on_reply.pause if visit.campaign.on_reply and visit.run.replied else 0
        if not pause or (until := instant(visit.run.replied + pause)) <= visit.now:
            return None
        return Verdict("held", {"reason": REPLY, "until": until.isoformat()}, until=until, hold=REPLY)

    def _capped(self, visit: Visit) -> Verdict | None:
        """What a cap says against it."""
        found = capped(visit.call, category_of(visit.rulebook, self.send))
        if found is None:
            return None
        until, cap = found
        limit = {"most": cap.most, "window": cap.window, "category": cap.category or "all"}
        detail = {"reason": CAP, "template": self.send, **limit}
        if until is None:
            return Verdict("skipped", detail)
        return Verdict("held", {**detail, "until": until.isoformat()}, until=until, hold=CAP)

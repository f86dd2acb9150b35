"""Campaigns stopped, and let go on, while their rules stay as they are: by people, and by how their mails fare."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from workers.engine.campaigns.runs import share
from workers.engine.pausing import LONGEST, LOOKED_AT, known_before, let_go_on, shares, too_much
from workers.log import get_logger
from workers.store import campaign_counts, controls, enrolments, outbox
from workers.store.campaign_counts import utc_day
from workers.store.controls import DRIPLINE, PAUSED, RESUMED, Control
from workers.store.enrolments import GoingOn
from workers.store.locks import hold_controls
from workers.store.outbox import Effect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.pausing import Share
    from workers.engine.rules import PauseWhen
    from workers.store.rulebooks import Active

log = get_logger(__name__)

NOBODY: Final = 0
"""The lead of a message that is about none."""
AT_ONCE: Final = 5_000
"""Runs that are given a time, or woken, at a look: a million that were held in a few minutes."""
A_MINUTE: Final = 1_000
"""Held runs that go on in a minute, unless somebody says over how long they are to be spread."""


class By(NamedTuple):
    """Who decides, why and when."""

    author: str
    reason: str
    at: datetime


def pause(conn: Connection, campaign: str, by: By) -> bool:
    """Let nothing go on in a campaign from the next batch on; False if it is paused already."""
    return bool(controls.pause(conn, Control(campaign, PAUSED, *by)))


def resume(conn: Connection, campaign: str, by: By, over: timedelta | None = None) -> Control | None:
    """Let a paused campaign go on where it was; None if it is not paused.

    What is known by now of mails that ended badly is not held against the campaign any more. It takes `over` until all
    runs that were held have gone on; by default as long as it takes at a thousand a minute.
    """
    held = enrolments.count_held(conn, campaign)
    spread = timedelta(minutes=held / A_MINUTE) if over is None else over
    known = {"over_s": spread.total_seconds(), "held": held, "before": known_by(conn, campaign, by.at)}
    decision = Control(campaign, RESUMED, *by, detail=known)
    return decision if controls.resume(conn, decision) else None


def known_by(conn: Connection, campaign: str, now: datetime) -> dict[str, dict[str, int]]:
    """What is known of a campaign's mails, as far back as a rule may look: by day, then by what."""
    since = utc_day(now) - timedelta(days=LONGEST)
    found: dict[str, dict[str, int]] = {}
    for (day, what), number in campaign_counts.lately(conn, [campaign], since)[campaign].items():
        if what in LOOKED_AT:
            found.setdefault(day.isoformat(), {})[what] = number
    return found


def go_on(conn: Connection) -> int:
    """Give runs of campaigns that go on again their times, a bounded number at a look; returns how many.

    The time of each follows from the decision and the lead alone, spread evenly over the stretch that was asked for.
    """
    going_on = {name: each for (name, _), each in controls.latest(conn).items() if each.what == RESUMED}
    if not going_on:
        return 0
    found = enrolments.held(conn, {name: each.id for name, each in going_on.items()}, AT_ONCE)
    planned = [GoingOn(name, lead, going_on[name].id, when(going_on[name], lead)) for name, lead in found]
    return enrolments.go_on(conn, planned)


def when(decision: Control, lead_id: int) -> datetime:
    """When a run that was held goes on."""
    over = timedelta(seconds=decision.detail.get("over_s", 0))
    return decision.decided_at + over * share("resume", decision.id, decision.campaign, lead_id)


# ── runs that new rules overtake ─────────────────────────────────────────────────────────────────────────────


def overtake(conn: Connection, active: Active, now: datetime) -> int:
    """Wake those whom the rules in force take along (`edit: move`), and those whose definition nobody knows any more.

    What held the former may not hold them now, and the latter would be held for ever. A bounded number at a look;
    progress is in their rows, so whoever looks next goes on.

    Returns:
        how many were woken.
    """
    rulebook, moved, lost = active.rulebook, [], []
    for name, version in sorted(enrolments.pinned(conn)):
        campaign = rulebook.campaigns.get(name)
        if campaign and campaign.edit == "move":
            moved += [(name, version)] if campaign.version != version else []
        elif not (campaign and campaign.version == version) and (name, version) not in rulebook.archive:
            lost.append((name, version))
    woken = enrolments.wake(conn, moved, now, AT_ONCE) + enrolments.wake(conn, lost, now, AT_ONCE, held=True)
    if woken:
        log.info("runs_overtaken", woken=woken, moved=len(moved), lost=len(lost))
    return woken


# ── campaigns that stop by themselves ────────────────────────────────────────────────────────────────────────


def watch(conn: Connection, active: Active, now: datetime) -> list[Control]:
    """Pause the campaigns of whose mails too many ended badly, and tell their owners; returns what was decided.

    Callers take turns, and what is paused already is left alone: however many look, it is decided and told once.
    """
    hold_controls(conn)
    decided = controls.latest(conn)
    rules = {
        campaign.name: campaign.pause_when
        for campaign in active.rulebook.campaigns.values()
        if campaign.pause_when and not is_paused(decided.get((campaign.name, "")))
    }
    if not rules:
        return []
    today = utc_day(now)
    counts = campaign_counts.lately(conn, rules, today - timedelta(days=max(rule.days for rule in rules.values())))
    made = []
    for name, rule in rules.items():
        last = decided.get((name, ""))
        before, resumed = (known_before(last.detail), let_go_on(last.detail, last.decided_at)) if last else ({}, None)
        found = shares(rule, counts[name], before, today, resumed)
        if reasons := too_much(rule, found):
            made.append(stop(conn, active, Control(name, PAUSED, DRIPLINE, said(reasons, rule), now, detail={
                "shares": [share._asdict() for share in found], "days": rule.days,
            })))  # fmt: skip
    return made


def is_paused(control: Control | None) -> bool:
    """True if this decision is what stops a campaign."""
    return control is not None and control.what == PAUSED


def said(reasons: Sequence[Share], rule: PauseWhen) -> str:
    """Why a campaign stopped by itself."""
    return "; ".join(share.said(rule.days) for share in reasons)


def stop(conn: Connection, active: Active, control: Control) -> Control:
    """Pause a campaign, and tell whoever it belongs to."""
    number = controls.append(conn, control)
    campaign, promotion = active.rulebook.campaigns[control.campaign], active.rulebook.promotion
    owner = campaign.owner or (promotion.fallback if promotion else "")
    if owner:
        outbox.put(conn, [notice(owner, control, number)], active.id, control.decided_at)
    log.warning("campaign_paused", campaign=control.campaign, reason=control.reason, told=owner)
    return control


def notice(owner: str, control: Control, number: int) -> Effect:
    """The message about a campaign that stopped by itself; its key makes it go out once."""
    name = control.campaign
    text = (
        f"The campaign {name} has paused itself, because {control.reason}.\n\n"
        "Nothing goes out any more, and whoever falls due is held where they are. Look at it with\n\n"
        f"    dripline campaign show {name}\n\nand once the cause is gone, let it go on with\n\n"
        f"    dripline campaign resume {name}\n"
    )
    payload = {"to": owner, "subject": f"The campaign {name} has paused itself", "text": text}
    return Effect(f"notice:paused:{name}:{number}", "email", NOBODY, payload)

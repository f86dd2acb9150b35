"""Leads at stages that other rules do not have: what `dripline apply` refuses, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook


def stranded(conn: Connection, rulebook: Rulebook) -> dict[str, int]:
    """Leads by stage that stand where these rules have no stage, so that no rule would ever move them."""
    from workers.store import leads

    if not rulebook.stages:  # rules without a lifecycle look at nobody's stage
        return {}
    return leads.stranded(conn, [*rulebook.order, *rulebook.renamed])


def about(stage: str, number: int) -> str:
    """What is wrong about it, and what to do."""
    who = "1 lead stands" if number == 1 else f"{number:,} leads stand"
    return (
        f"{who} at stage `{stage}`, which these rules do not have, so that nothing would move them on; "
        f"write `was: {stage}` at the stage that takes its place"
    )

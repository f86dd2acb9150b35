"""The file `tracking` into what delivery does by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.engine.rules import Tracking
from workers.rulebook.names import HISTORY

if TYPE_CHECKING:
    from workers.rulebook.declarations import TrackingFile
    from workers.rulebook.names import Checker


WHY: Final = "what is tracked is decided when a mail is made, from the lead's fields alone"
NOT_THEN: Final = dict.fromkeys(("score", "band", "grade", "segment", "stage", "now", "today", *HISTORY), WHY)


def tracking(file: TrackingFile | None, check: Checker) -> Tracking:
    """What is tracked; nothing, where no file says so."""
    if file is None:
        return Tracking()
    said = file.tracking
    for template in said.untracked:
        check.known("template", template, check.names.templates, f"write templates/{template}/mail.txt")
    return Tracking(
        clicks=said.clicks,
        opens=said.opens,
        consent=check.optional(said.consent, "boolean", check.names.scope(refused=NOT_THEN)),
        untracked=frozenset(map(str, said.untracked)),
        utm={str(name): value for name, value in said.utm.items()},
        url=str(said.url or ""),
    )

"""What is known of a lead, and where it stands: fields and stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from workers.engine.rules.conditions import Expression


@dataclass(frozen=True, slots=True)
class Field:
    """A declared field of a lead.

    Attributes:
        type: `text`, `integer`, `decimal`, `money`, `date`, `datetime`, `boolean`, `country`, `zone`, `email`, `url`,
            or `list of …`.
        merge: what is kept when several events tell it: `last`, `first`, `highest` or `union`.
        allowed: the only values it may have; empty for any.
        personal: personal data, replaced where events are exported for other eyes.
    """

    name: str
    type: str
    merge: str = "last"
    allowed: tuple[Any, ...] = ()
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """A lifecycle stage; `when` None means it is only reached by being set (promotion, CRM) or by being first.

    Attributes:
        back_from: stages that lie after this one and from which `when` leads back here (recycling).
        reason: why a lead is here, for stages that need one (`recycled`, `disqualified`).
        terminal: nothing leads on from here but a rule of another stage that names it in `back_from`.
        was: earlier names of it, under which leads may still stand here.
    """

    name: str
    when: Expression | None
    back_from: tuple[str, ...] = ()
    reason: str = ""
    terminal: bool = False
    was: tuple[str, ...] = ()


def stages_ahead(stages: Sequence[Stage], here: str) -> tuple[Stage, ...]:
    """The stages that a lead may move on to by their conditions, the last one first."""
    index = next(index for index, stage in enumerate(stages) if stage.name == here)
    if stages[index].terminal:
        return ()
    return tuple(stage for stage in reversed(stages[index + 1 :]) if stage.when and not stage.back_from)

"""Where a lead stands: segments, grades, lifecycle stages."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.rulebook.declarations.examples import EXAMPLES, Example
from workers.rulebook.shape import HOLE, NAME, Shape, Source, Text, about


@dataclass(frozen=True)
class SegmentsFile(Shape):
    """`segments.yaml`: named conditions on a lead, usable everywhere as `segment("name")`."""

    title = "a file of segments"
    segments: dict[Text, Source] = field(
        metadata=about(
            "what has to be true, by name of the segment",
            pattern=NAME,
            example='\n  large-american: lead.employees >= 1000 and lead.country in ["US", "CA"]',
        )
    )
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)


@dataclass(frozen=True)
class GradeFile(Shape):
    """A grade: the bands of one or two scores joined to a label, for `grade("name")`. A lead that is in no band of one
    of them has no grade.
    """

    title = "a grade"
    grade: Text = field(metadata=about("its name", pattern=NAME, example="priority"))
    of: list[Text] = field(
        metadata=about("one or two scores that have bands", single=True, example="[fit, engagement]")
    )
    labels: dict[Text, Text] = field(
        default_factory=dict,
        metadata=about(
            "labels by bands; default: the bands' names, one behind the other", example="{A hot: A1, A warm: A2}"
        ),
    )
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)


@dataclass(frozen=True)
class Stage(Shape):
    """A lifecycle stage. Leads move on to the last stage ahead that is true of them, and never back, unless a stage
    says so with `back_from`.
    """

    title = "a stage"
    shown = ("when",)
    frame = f"""\
stages:
  subscriber: {{}}
  recycled:
    {HOLE}
  sales-qualified: {{when: band("engagement") == "hot"}}
  opportunity: {{}}
"""
    when: Source | None = field(
        default=None,
        metadata=about(
            "a lead that this is true of has come this far; without it the stage is only reached by promotion, by the "
            "CRM, or by being the first",
            example='lead.timeline == "later"',
        ),
    )
    back_from: list[Text] = field(
        default_factory=list,
        metadata=about(
            "later stages from which `when` leads back here", single=True, example="[sales-qualified, opportunity]"
        ),
    )  # fmt: skip
    reason: Text | None = field(
        default=None, metadata=about("why a lead is here, for reports and explanations", example="not now")
    )
    terminal: bool = field(
        default=False,
        metadata=about("nothing leads on from here but a stage that names it in `back_from`", example="true"),
    )
    was: list[Text] = field(
        default_factory=list,
        metadata=about(
            "what the stage was called before: leads that stand there under an old name are here, and nothing starts "
            "because of it",
            single=True,
            example="nurture",
        ),
    )


@dataclass(frozen=True)
class StagesFile(Shape):
    """`lifecycle.yaml`: the way from a stranger to a customer, in order. There is one."""

    title = "the lifecycle"
    stages: dict[Text, Stage] = field(
        metadata=about(
            "the stages, first to last", pattern=NAME,
            example='\n  subscriber: {}\n  lead: {when: score("engagement") >= 10}\n'
            '  sales-qualified: {when: score("fit") >= 50}\n  customer: {}',
        )
    )  # fmt: skip
    examples: list[Example] = field(default_factory=list, metadata=EXAMPLES)

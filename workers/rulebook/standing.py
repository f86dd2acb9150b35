"""Segments, grades and lifecycle stages."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from workers.engine.rules import Grade, Segment, Stage
from workers.rulebook.declarations import SegmentsFile, StagesFile
from workers.rulebook.gather import joined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.rules import Campaign
    from workers.rulebook import declarations
    from workers.rulebook.declarations import GradeFile
    from workers.rulebook.names import Checker
    from workers.rulebook.shape import Text
    from workers.rulebook.specs import Specs

SET_FROM_OUTSIDE: Final = frozenset({"opportunity", "customer"})
"""Stages that promotion and the CRM lead to."""
MOST_SCORES: Final = 2
"""Scores whose bands make one grade; with three, people no longer see what a label stands for."""


def segments(specs: Specs, check: Checker) -> dict[str, Segment]:
    """All segments."""
    scope = check.names.scope()
    compiled = {
        str(name): check.expression(source, "boolean", scope)
        for file in specs.of(SegmentsFile)
        for name, source in file.segments.items()
    }
    return {name: Segment(name, when) for name, when in compiled.items() if when}


# ── grades ───────────────────────────────────────────────────────────────────────────────────────────────────


def grade(file: GradeFile, check: Checker) -> Grade:
    """The grade that a file declares."""
    problems = check.problems
    if not 1 <= len(file.of) <= MOST_SCORES or len(set(file.of)) != len(file.of):
        text = f"a grade is made of one or two different scores, this is made of {len(file.of)}"
        problems.add(file.place("of"), "wrong-grade", text, "write it like [fit, engagement]")
    known = [name for name in file.of if check.score(name) and has_bands(name, check)]
    if len(known) == len(file.of) <= MOST_SCORES:
        check_labels(file, check)
    labels = {joined(key): str(label) for key, label in file.labels.items()}
    return Grade(str(file.grade), tuple(map(str, file.of)), labels)


def has_bands(name: Text, check: Checker) -> bool:
    """True if the score has bands; a grade is made of them."""
    if check.names.bands[name]:
        return True
    check.problems.add(name.place, "wrong-grade", f"the score `{name}` has no bands", "give it `bands`")
    return False


def check_labels(file: GradeFile, check: Checker) -> None:
    """Every label is for bands that there are, and no two combinations read alike."""
    combinations: dict[str, tuple[str, ...]] = {}
    for bands in product(*(check.names.bands[name] for name in file.of)):
        if other := combinations.get("".join(bands)):
            text = f"the bands {' and '.join(bands)} read like {' and '.join(other)}"
            check.problems.add(file.place("of"), "wrong-grade", text, "rename a band")
        combinations["".join(bands)] = bands
    listed = {" ".join(bands) for bands in combinations.values()}
    for key in file.labels:
        if joined(key) not in combinations:
            check.known("band", key, listed)


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────


def stages(specs: Specs, check: Checker) -> tuple[Stage, ...]:
    """The lifecycle, in order."""
    file = specs.one(StagesFile)
    if file is None:
        return ()
    scope = check.names.scope()
    for name, spec in file.stages.items():
        check_stage(file, name, spec, check)
    check_old_names(file, check)
    return tuple(
        Stage(
            name=str(name),
            when=check.optional(spec.when, "boolean", scope),
            back_from=tuple(map(str, spec.back_from)),
            reason=str(spec.reason or ""),
            terminal=spec.terminal,
            was=tuple(map(str, spec.was)),
        )
        for name, spec in file.stages.items()
    )


def check_old_names(file: StagesFile, check: Checker) -> None:
    """An old name leads to one stage, and is no name of today."""
    known: dict[str, str] = {name: name for name in file.names("stages")}
    for name, spec in file.stages.items():
        for old in spec.was:
            if old in known:
                text = f"`{old}` is {'a stage' if known[old] == old else f'what `{known[old]}` was called'}"
                check.problems.add(old.place, "duplicate-name", text, "an old name leads to one stage: remove it here")
            known.setdefault(str(old), str(name))


def check_reached(specs: Specs, campaigns: Mapping[str, Campaign], check: Checker) -> None:
    """Something leads to every stage: its condition, a step of a campaign, or what happens to the opportunity."""
    file = specs.one(StagesFile)
    steps = [step for campaign in campaigns.values() for step in campaign.steps]
    led = {leads_to[1] for step in steps if (leads_to := getattr(step, "leads_to", ("", "")))[0] == "stage"}
    for name, spec in list(file.stages.items())[1:] if file else ():
        if "when" not in spec.node.entries and str(name) not in SET_FROM_OUTSIDE | led:
            hint = "add `when`, or a campaign with the step `stage`; only opportunity and customer need none"
            check.problems.add(name.place, "never-reached", f"nothing leads to `{name}`", hint)


def check_stage(file: StagesFile, name: Text, spec: declarations.Stage, check: Checker) -> None:
    """A way back leads from later stages, on a condition; the first stage is where everybody begins."""
    order = file.names("stages")
    for later in spec.back_from:
        if check.stage(later) and order.index(later) <= order.index(name):
            text = f"`{later}` does not come after `{name}`, so nobody comes back from there"
            hint = "write the stage before those that it is come back to from; forward needs no `back_from`"
            check.problems.add(later.place, "not-back", text, hint)
    if spec.terminal and name == order[0]:
        text = f"`{name}` is where everybody begins, and nothing would lead on from there"
        check.problems.add(spec.place("terminal"), "dead-end", text, "remove `terminal`")

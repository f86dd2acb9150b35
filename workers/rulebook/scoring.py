"""Score files into score models."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.rules import Band, EventRule, ProfileRule, ScoreModel
from workers.rulebook.names import IN_EVENT, IN_PROFILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.rulebook.declarations import Rule, ScoreFile
    from workers.rulebook.names import Checker
    from workers.rulebook.shape import Text

MICROSECOND: Final = timedelta(microseconds=1)


def score_model(file: ScoreFile, check: Checker) -> ScoreModel:
    """The model that a score file declares."""
    check_range(file, check)
    rules = [compiled for name, rule in file.rules.items() if (compiled := score_rule(file, name, rule, check))]
    events = tuple(rule for rule in rules if isinstance(rule, EventRule))
    if file.half_life and not events and len(rules) == len(file.names("rules")):
        text = "a half-life ages events, and this score has only rules about the lead"
        check.problems.add(file.place("half_life"), "useless-half-life", text, "remove it")
    return ScoreModel(
        name=str(file.score),
        half_life=file.half_life // MICROSECOND if file.half_life else None,
        minimum=file.range[0],
        maximum=file.range[1],
        bands=tuple(sorted(bands(file, check), key=lambda band: band.enter)),
        event_rules=events,
        profile_rules=tuple(rule for rule in rules if isinstance(rule, ProfileRule)),
    )


def check_range(file: ScoreFile, check: Checker) -> None:
    """The range has to leave room between its ends."""
    if file.range[0] >= file.range[1]:
        check.problems.add(
            file.place("range"), "empty-range", "the range is empty", "write the lower end first: [0, 100]"
        )


def score_rule(file: ScoreFile, name: Text, rule: Rule, check: Checker) -> EventRule | ProfileRule | None:
    """One rule: about an event, or about the lead."""
    identifier, model = f"{file.score}.{name}", str(file.score)
    if rule.event is not None:
        known = check.event(rule.event)
        when = check.optional(rule.when, "boolean", check.names.scope(rule.event, IN_EVENT)) if known else None
        return EventRule(identifier, model, str(rule.event), rule.points, when)
    if rule.when is None:
        text = f"the rule `{name}` says neither which event nor when"
        check.problems.add(rule.node.place, "missing-key", text, "add `event` or `when`")
        return None
    holds = check.expression(rule.when, "boolean", check.names.scope(refused=IN_PROFILE))
    return ProfileRule(identifier, model, rule.points, holds) if holds else None


def bands(file: ScoreFile, check: Checker) -> Iterator[Band]:
    """The bands, each one possible to enter and to leave."""
    minimum, maximum = file.range
    entered: dict[float, str] = {}
    for name, band in file.bands.items():
        if band.enter > maximum:
            text = f"`{name}` is entered at {band.enter:g}, and the score ends at {maximum:g}"
            check.problems.add(band.place("enter"), "never-entered", text, "lower `enter`, or raise the range")
        if band.enter <= minimum:
            text = f"`{name}` is entered at {band.enter:g}, and the score begins at {minimum:g}: everybody is in it"
            check.problems.add(band.place("enter"), "always-entered", text, "raise `enter`")
        if band.leave > band.enter:
            text = f"`{name}` is left below {band.leave:g} and entered already at {band.enter:g}"
            check.problems.add(band.place("leave"), "leave-above-enter", text, "`leave` is at most `enter`")
        if other := entered.get(band.enter):
            text = f"`{name}` is entered at {band.enter:g}, and so is `{other}`"
            check.problems.add(band.place("enter"), "same-band", text, "give each band its own `enter`")
        entered[band.enter] = name
        yield Band(str(name), band.enter, band.leave)

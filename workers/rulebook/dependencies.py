"""Which scores and segments are worked out of which: no circles, no endless chains, no score that depends on a look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from workers.rulebook.names import IN_FORMULA, IN_PROFILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.engine.rules import Expression, ScoreModel, Segment
    from workers.rulebook.names import Checker

Thing = tuple[str, str]
"""`score` or `segment`, and its name."""
FOLLOWED: Final = frozenset({"score", "segment"})
MOST_STEPS: Final = 20
"""Scores and segments that are worked out of one another in one chain."""


@dataclass(slots=True)
class Graph:
    """Every score and segment, with the expressions that it is made of.

    Attributes:
        made_of: events left out, because they ask nothing.
        steps: how long the longest chain below a thing is, once that is known.
    """

    made_of: Mapping[Thing, Sequence[Expression]]
    steps: dict[Thing, int] = field(default_factory=dict)

    def asked(self, thing: Thing) -> Iterator[tuple[Thing, Expression]]:
        """The scores and segments that one asks, with the expression that does."""
        for expression in self.made_of.get(thing, ()):
            for what, name in sorted({(ask.what, ask.name) for ask in expression.asks if ask.what in FOLLOWED}):
                yield (what, name), expression

    def below(self, thing: Thing) -> set[Thing]:
        """A score or segment and all that it is made of."""
        found: set[Thing] = set()
        open_ones = [thing]
        while open_ones:
            each = open_ones.pop()
            if each not in found:
                found.add(each)
                open_ones += [asked for asked, _ in self.asked(each)]
        return found


def check_dependencies(models: Mapping[str, ScoreModel], segments: Mapping[str, Segment], check: Checker) -> None:
    """Find what could never be worked out, and scores that would depend on when somebody looked."""
    graph = Graph({**segments_of(segments), **scores_of(models)})
    for thing in graph.made_of:
        follow(graph, thing, (), check)
    for name, model in models.items():
        check_score(graph, ("score", name), IN_FORMULA if model.formula else IN_PROFILE, check)


def segments_of(segments: Mapping[str, Segment]) -> dict[Thing, Sequence[Expression]]:
    """What each segment is made of."""
    return {("segment", name): [segment.when] for name, segment in segments.items()}


def scores_of(models: Mapping[str, ScoreModel]) -> dict[Thing, Sequence[Expression]]:
    """What each score is made of."""
    things: dict[Thing, Sequence[Expression]] = {}
    for name, model in models.items():
        rules = [rule for group in model.groups for rule in group.profile_rules]
        points = [rule.points for rule in rules if not isinstance(rule.points, int | float)]
        things["score", name] = [*(rule.when for rule in rules), *points, *([model.formula] if model.formula else ())]
    return things


def follow(graph: Graph, thing: Thing, path: tuple[Thing, ...], check: Checker) -> int:
    """How long the longest chain below a score or segment is; circles and endless chains are findings."""
    if thing in graph.steps or len(path) > MOST_STEPS:
        return graph.steps.get(thing, MOST_STEPS)
    longest, here = 0, (*path, thing)
    for asked, expression in graph.asked(thing):
        if asked in here:
            way = " → ".join(name for _, name in (*here[here.index(asked) :], asked))
            check.problems.add(
                check.place_of(expression), "circle", f"the {asked[0]} is made of itself: {way}", "break the circle"
            )
        elif (steps := follow(graph, asked, here, check)) >= MOST_STEPS:
            text = f"more than {MOST_STEPS} scores and segments in one chain"
            check.problems.add(check.place_of(expression), "too-deep", text, "ask the first ones directly")
        else:
            longest = max(longest, steps)
    graph.steps[thing] = longest + 1
    return longest + 1


def check_score(graph: Graph, score: Thing, refused: Mapping[str, str], check: Checker) -> None:
    """Refuse a score that asks by way of a segment what it may not ask itself."""
    for asked, expression in graph.asked(score):
        whats = {ask.what for thing in graph.below(asked) for each in graph.made_of.get(thing, ()) for ask in each.asks}
        for what in sorted(whats & set(refused)) if asked[0] == "segment" else ():
            text = f'segment("{asked[1]}") cannot be asked here, because it asks {what}()'
            check.problems.add(check.place_of(expression), "not-here", text, refused[what])

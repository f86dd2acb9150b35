"""What the rules ask about the past: what has to be counted, and the hash of everything that counting depends on."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from workers.engine.counters import DAY, Counted
from workers.rulebook.dependencies import Graph, scores_of, segments_of
from workers.rulebook.names import HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from workers.engine.rules import Expression, Rulebook
    from workers.rulebook.declarations import ScoreFile

NOT_SCORING: Final = frozenset({"examples"})


def counted(expressions: Iterable[Expression]) -> dict[str, Counted]:
    """What has to be counted of each event type, so that every expression has its answer."""
    grains: dict[str, dict[int, int]] = {}
    firsts: dict[str, dict[int, int]] = {}
    values: dict[str, dict[str, int]] = {}
    for ask in {ask for expression in expressions for ask in expression.asks if ask.what in HISTORY}:
        spans = grains.setdefault(ask.name, {})
        if ask.what == "distinct":
            days = ask.span.grain * ask.span.grains // DAY if ask.span else 0
            known = values.setdefault(ask.name, {})
            known[ask.detail] = longer(known.get(ask.detail), days)
        elif ask.span and ask.what in {"count", "first"}:
            needed = firsts.setdefault(ask.name, {}) if ask.what == "first" else spans
            needed[ask.span.grain] = max(needed.get(ask.span.grain, 0), ask.span.grains)
    return {
        event: Counted(spans, values.get(event, {}), firsts.get(event, {})) for event, spans in sorted(grains.items())
    }


def with_older(rulebook: Rulebook, older: Iterable[Rulebook]) -> Rulebook:
    """A rulebook that also knows what runs pinned to older ones ask for: counts over the history, kinds of mails.

    What counts today stands as it is; what no rule of today asks for would not be counted, and a mail that is gone from
    today's templates would be taken for marketing of no category.
    """
    wanted = dict(rulebook.counted)
    categories, topics = dict(rulebook.categories), dict(rulebook.topics)
    for each in older:
        for event, counts in each.counted.items():
            wanted[event] = both(wanted[event], counts) if event in wanted else counts
        topics = {name: topic for name, topic in each.topics.items() if name not in categories} | topics
        categories = {**each.categories, **categories}
    return replace(rulebook, counted=wanted, categories=categories, topics=topics)


def both(one: Counted, other: Counted) -> Counted:
    """What has to be counted so that the questions of both have their answers."""
    shared = one.values.keys() & other.values.keys()
    longest = {name: longer(one.values[name], other.values[name]) for name in shared}
    values = {**one.values, **other.values, **longest}
    return Counted(most(one.grains, other.grains), values, most(one.firsts, other.firsts))


def most(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """For each grain the larger of two numbers of grains."""
    return {grain: max(one.get(grain, 0), other.get(grain, 0)) for grain in {*one, *other}}


def longer(known: int | None, days: int) -> int:
    """The longer of two spans in days; 0 is for ever."""
    return days if known is None else 0 if not (known and days) else max(known, days)


def scoring_hash(rulebook: Rulebook, files: Iterable[ScoreFile]) -> str:
    """Content hash of everything that a score, a counter or a field depends on; comments and order do not count.

    Args:
        rulebook: compiled.
        files: the score files as they were read.
    """
    events = {*rulebook.by_event, *rulebook.counted}
    content = {
        "scores": {str(file.score): without_examples(file) for file in files},
        "segments": asked_segments(rulebook),
        "fields": {name: [field.type, field.merge, field.allowed] for name, field in rulebook.fields.items()},
        "events": {name: rulebook.events[name] for name in events},
        "counted": {event: kept_of(each) for event, each in rulebook.counted.items()},
        "credit": rulebook.credit,
        "zone": rulebook.account.zone,
    }
    if rulebook.renamed:  # who stands under an old name is looked at in the background, as for a change of scores
        content["renamed"] = rulebook.renamed
    return sha256(json.dumps(content, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def without_examples(file: ScoreFile) -> dict[str, Any]:
    """What a score file says, as plain data."""
    return {key: value for key, value in file.node.plain.items() if key not in NOT_SCORING}


def kept_of(counts: Counted) -> list[list[tuple[str, int]]]:
    """What is kept of a type of event, as plain data: longer for those alone whose first instants are, too."""
    return [spans(each) for each in (counts.grains, counts.values, *([counts.firsts] if counts.firsts else ()))]


def spans(mapping: Mapping[Any, int]) -> list[tuple[str, int]]:
    """A mapping as pairs in order."""
    return sorted((str(key), value) for key, value in mapping.items())


def asked_segments(rulebook: Rulebook) -> dict[str, str]:
    """The segments that scores are made of, and their conditions."""
    graph = Graph({**segments_of(rulebook.segments), **scores_of(rulebook.models)})
    things = {thing for name in rulebook.models for thing in graph.below(("score", name))}
    return {name: rulebook.segments[name].when.source for what, name in things if what == "segment"}

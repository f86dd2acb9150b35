"""What one rulebook says differently from another, by the names of things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from workers.engine.rules import Sending, Tracking
from workers.rulebook.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workers.engine.rules import Cap, Rulebook

NOTHING: Final = object()
NAMED: Final = ("name", "email", "event")
"""What parts of a thing are known again by."""
LONGEST: Final = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is new, gone or different.

    Attributes:
        kind: `rule`, `score`, `campaign`, …
        name: of the thing.
        what: `added`, `removed` or `changed`.
        details: for a changed one, (what of it, before, after).
    """

    kind: str
    name: str
    what: str
    details: tuple[tuple[str, str, str], ...] = ()


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """The files that differ."""
    return list(compared("file", before, after, detailed=False))


def changes(before: Rulebook | None, after: Rulebook) -> list[Change]:
    """Everything but texts of templates that differs, by kind; all of it for no rulebook before."""
    new = things(after)
    old = things(before) if before is not None else {}
    return [change for kind in new for change in compared(kind, old.get(kind, {}), new[kind])]


def things(rulebook: Rulebook) -> dict[str, Mapping[str, Any]]:
    """Everything that has a name, by kind."""
    rules = {rule.id: rule for each in rulebook.by_event.values() for rule in each}
    profile = {rule.id: rule for model in rulebook.models.values() for rule in model.profile_rules}
    promotion = {} if rulebook.promotion is None else {"promotion": rulebook.promotion}
    return {
        "account": {"account": rulebook.account},
        "source": rulebook.sources,
        "field": rulebook.fields,
        "event": rulebook.events,
        "score": {name: scale(model) for name, model in rulebook.models.items()},
        "rule": {**rules, **profile},
        "grade": rulebook.grades,
        "segment": rulebook.segments,
        "stage": {stage.name: stage for stage in rulebook.stages},
        "promotion": promotion,
        "campaign": rulebook.campaigns,
        "cap": {capped(cap): cap for cap in rulebook.caps},
        "machine": {"credit_within": timedelta(microseconds=rulebook.credit)} if rulebook.credit else {},
        "consent": rulebook.consent.categories,
        "tracking": {"tracking": rulebook.tracking} if rulebook.tracking != Tracking() else {},
        "sending": {"sending": rulebook.sending} if rulebook.sending != Sending() else {},
    }


def capped(cap: Cap) -> str:
    """What a cap counts, and in how long: its name, as it has no other."""
    days = timedelta(microseconds=cap.window) / timedelta(days=1)
    return f"{cap.category or 'all mail'} in {days:g} day{'s' * (days != 1)}"


def scale(model: Any) -> dict[str, Any]:
    """A score without its rules, which are things of their own."""
    ranges = {group.name: [group.minimum, group.maximum] for group in model.groups}
    return {
        "range": [model.minimum, model.maximum], "bands": model.bands, "formula": model.formula, "groups": ranges,
    }  # fmt: skip


def compared(
    kind: str, before: Mapping[str, Any], after: Mapping[str, Any], *, detailed: bool = True
) -> Iterator[Change]:
    """What differs between things of one kind."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Change(kind, name, "added")
        elif name not in after:
            yield Change(kind, name, "removed")
        elif (old := plain(before[name])) != (new := plain(after[name])):
            yield Change(kind, name, "changed", tuple(details(old, new)) if detailed else ())


def details(before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    """Which parts of a thing differ."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield "", spelled(before), spelled(after)
        return
    for name in {**before, **after}:
        old, new = before.get(name, NOTHING), after.get(name, NOTHING)
        if old == new or name == "version":
            continue
        if (before_by_name := by_name(old)) and (after_by_name := by_name(new)):
            yield from parts(name, before_by_name, after_by_name)
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from parts(name, old, new)
            continue
        if isinstance(old, list) and isinstance(new, list):
            old, new = [each for each in old if each not in new], [each for each in new if each not in old]
        yield name, spelled(old), spelled(new)


def by_name(value: Any) -> dict[str, dict[str, Any]]:
    """A list of things that something names, by that; empty for anything else."""
    for key in NAMED if isinstance(value, list) else ():
        named = {each[key]: each for each in value if isinstance(each, dict) and each.get(key)}
        if named and len(named) == len(value):
            return named
    return {}


def parts(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Which of several named parts of a thing differ (`bands hot enter`)."""
    for part in {**before, **after}:
        old, new = before.get(part, NOTHING), after.get(part, NOTHING)
        if isinstance(old, dict) != isinstance(new, dict):
            yield name, part if part in before else spelled(NOTHING), part if part in after else spelled(NOTHING)
        elif old != new:
            for what, was, becomes in details(old, new):
                yield f"{name} {part} {what}".rstrip(), was, becomes


def spelled(value: Any) -> str:
    """A value for people, cut short."""
    if value is NOTHING or value is None or value == []:
        return "nothing"
    if isinstance(value, list):
        value = ", ".join(
            str(each.get("id") or each.get("name") or each) if isinstance(each, dict) else spelled(each)
            for each in value
        )
    text = f"{value:g}" if isinstance(value, float) else str(value).removesuffix(", 0:00:00")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"

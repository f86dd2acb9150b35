"""What rule files declare for one another, gathered before anything is compiled."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

from workers.engine.hours import WORKING_WEEK, zone_named
from workers.rulebook.declarations import (
    STANDARD_EVENTS,
    AccountFile,
    CampaignFile,
    EventsFile,
    FieldsFile,
    GradeFile,
    PromoteFile,
    ScoreFile,
    SegmentsFile,
    StagesFile,
)
from workers.rulebook.names import Names
from workers.rulebook.templates import mail_names, note_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from workers.rulebook.problems import Problems
    from workers.rulebook.shape import Text
    from workers.rulebook.specs import Specs

UNREADABLE: Final = "any"
"""Type of a field or property whose declaration is wrong: it goes with everything, so one mistake is one finding."""


def names_of(specs: Specs, bundle: Mapping[str, str], problems: Problems) -> Names:
    """What the files declare for one another."""
    bands = bands_of(specs)
    stages, account = specs.one(StagesFile), specs.one(AccountFile)
    return Names(
        fields=fields_of(specs, problems),
        allowed=allowed_of(specs),
        events=events_of(specs, problems),
        bands=bands,
        ranges={str(file.score): file.range for file in specs.of(ScoreFile)},
        grades={str(file.grade): labels_of(file, bands) for file in specs.of(GradeFile)},
        segments=segments_of(specs, problems),
        stages=stages.names("stages") if stages else [],
        unreached=unreached(stages, specs),
        templates=mail_names(bundle),
        notes=note_names(bundle),
        campaigns=[str(file.campaign) for file in specs.of(CampaignFile)],
        formulas=[str(file.score) for file in specs.of(ScoreFile) if file.formula is not None],
        adjusted=frozenset(adjusted(specs)),
        promotes=specs.one(PromoteFile) is not None or PromoteFile in specs.unread,
        zone=str(account.account.zone) if account and is_zone(account.account.zone) else "UTC",
        business=account.account.business if account else WORKING_WEEK,
    )


def fields_of(specs: Specs, problems: Problems) -> dict[str, str]:
    """All lead fields and their types."""
    fields: dict[str, str] = {}
    for file in specs.of(FieldsFile):
        for name, declaration in file.fields.items():
            once(name, fields, "field", problems)
            fields[str(name)] = declaration.type
        fields = {**dict.fromkeys(file.names("fields"), UNREADABLE), **fields}
    return fields


def allowed_of(specs: Specs) -> dict[str, list[str]]:
    """The values of fields that may have only certain texts."""
    declared = ((name, each) for file in specs.of(FieldsFile) for name, each in file.fields.items() if each.allowed)
    return {str(name): each.allowed for name, each in declared if all(isinstance(item, str) for item in each.allowed)}


def bands_of(specs: Specs) -> dict[str, list[str]]:
    """All scores and the names of their bands."""
    bands: dict[str, list[str]] = {}
    for score in specs.of(ScoreFile):
        bands.setdefault(str(score.score), []).extend(score.names("bands"))
    return bands


def labels_of(file: GradeFile, bands: Mapping[str, Sequence[str]]) -> Collection[str] | None:
    """The labels that a grade can have, or None where one of its scores is not known."""
    if not all(name in bands for name in file.of):
        return None
    given = {joined(key): str(label) for key, label in file.labels.items()}
    return {given.get(key, key) for key in map("".join, product(*(bands[name] for name in file.of)))}


def joined(key: str) -> str:
    """The key of a label as the engine joins bands: `A hot` and `Ahot` are the same."""
    return "".join(key.split())


def segments_of(specs: Specs, problems: Problems) -> list[str]:
    """The names of all segments."""
    segments: list[str] = []
    for file in specs.of(SegmentsFile):
        for name in file.segments:
            once(name, segments, "segment", problems)
        segments += file.names("segments")
    return segments


def events_of(specs: Specs, problems: Problems) -> dict[str, Mapping[str, str]]:
    """All event types and their properties; a declaration adds to a standard type."""
    events: dict[str, Mapping[str, str]] = dict(STANDARD_EVENTS)
    seen: set[str] = set()
    for file in specs.of(EventsFile):
        written: Mapping[str, Any] = file.node.plain["events"] or {}
        for name, properties in file.events.items():
            once(name, seen, "event", problems)
            own = {str(key): str(value) for key, value in properties.items()}
            every = dict.fromkeys(written[name] or (), UNREADABLE)
            events[str(name)] = {**STANDARD_EVENTS.get(str(name), {}), **every, **own}
        seen |= set(written)
        events = {**{str(name): {} for name in written}, **events}
    return events


def adjusted(specs: Specs) -> Iterator[str]:
    """The scores that steps add points to."""
    for step in steps_of("add_score", specs):
        if isinstance(step, dict) and isinstance(step.get("model"), str):
            yield step["model"]


def unreached(stages: StagesFile | None, specs: Specs) -> list[str]:
    """The stage where everybody begins, if nothing leads back there."""
    if stages is None or not (names := stages.names("stages")):
        return []
    first = next((spec for name, spec in stages.stages.items() if name == names[0]), None)
    set_again = names[0] in [step.get("stage") if isinstance(step, dict) else step for step in steps_of("stage", specs)]
    return [] if first is None or first.back_from or set_again else names[:1]


def steps_of(word: str, specs: Specs) -> Iterator[Any]:
    """What stands behind the word of a step in all campaigns."""
    return found(word, [file.node.plain.get("steps") for file in specs.of(CampaignFile)])


def found(word: str, plain: Any) -> Iterator[Any]:
    """What stands behind a word, however deep."""
    if isinstance(plain, dict):
        if word in plain:
            yield plain[word]
        plain = list(plain.values())
    for each in plain if isinstance(plain, list) else ():
        yield from found(word, each)


def once(name: Text, seen: Iterable[str], noun: str, problems: Problems) -> None:
    """Refuse a name that is declared already."""
    if name in seen:
        problems.add(name.place, "duplicate-name", f"the {noun} `{name}` is declared twice", "remove one")


def is_zone(name: str) -> bool:
    """True for an IANA time zone."""
    return zone_named(name) is not None

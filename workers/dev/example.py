"""A webhook that a source of these very rules understands, for the newcomer to post by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from integrations import discovery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workers.engine.rules import Rulebook, SourceSpec

ADAPTER: Final = "standard"
"""The adapter whose bodies the rules describe; what other senders post is the vendors' own."""
EMAIL: Final = "ann@acme.test"
PLAIN: Final = "ann-1"
"""Who it is, where a source knows nobody by e-mail."""
LIKELY: Final = ("form.submitted", "page.viewed")
SAMPLES: Final[Mapping[str, Any]] = {
    "text": "demo", "url": "https://acme.test/pricing", "integer": 3, "number": 2.5, "money": 100, "boolean": True,
    "country": "DE",
}  # fmt: skip
"""A value of each type that a property may have; a property of another type is left out."""


class Example(NamedTuple):
    """What to post, and who it is about, as `dripline explain` takes it."""

    source: str
    body: str
    who: str


def example(rulebook: Rulebook) -> Example | None:
    """One for the first source that describes its bodies; None if none does."""
    spec = next((each for each in rulebook.sources.values() if each.adapter == ADAPTER), None)
    return None if spec is None else of_source(spec, rulebook)


def of_source(spec: SourceSpec, rulebook: Rulebook) -> Example:
    """One that says something that the rules listen to, if the source can say such a thing."""
    plan: Any = discovery.adapter("sources", ADAPTER).read_options(spec.options)
    kind, theirs = choose(plan.types, rulebook)
    identity = "email" if "email" in plan.identity else next(iter(plan.identity))
    who = EMAIL if identity == "email" else PLAIN
    event: dict[str, Any] = {}
    put(event, plan.type, theirs)
    put(event, plan.identity[identity], who)
    if plan.event_id is not None:
        put(event, plan.event_id, "example-1")
    for name, path in named(plan.properties):
        sample = SAMPLES.get(rulebook.events.get(kind, {}).get(name, ""))
        if sample is not None:
            put(event, path, sample)
    body = json.dumps(wrapped(event, plan.batch), ensure_ascii=False)
    return Example(spec.name, body, who if identity == "email" else f"{identity}:{who}")


def choose(types: Mapping[str, str], rulebook: Rulebook) -> tuple[str, str]:
    """An event type that the rules listen to, at best one that both scores and enters; and what the sender calls it."""
    heard = {*rulebook.by_event, *rulebook.enter_by_event}
    enough = {kind for kind, ways in rulebook.enter_by_event.items() if any(way.when is None for _, way in ways)}
    translated = {ours: theirs for theirs, ours in types.items()}
    usual = [kind for kind in (*LIKELY, *sorted(heard)) if kind in heard]
    likely = [*sorted(enough & rulebook.by_event.keys()), *usual]
    kind = next((kind for kind in likely if kind in translated or kind not in types), LIKELY[-1])
    return kind, translated.get(kind, kind)


def named(properties: Mapping[str, Sequence[str]] | Sequence[str]) -> Iterable[tuple[str, Sequence[str]]]:
    """Properties with their paths; of an object that is taken whole, those that are most usual."""
    if isinstance(properties, tuple):
        return [(name, (*properties, name)) for name in ("form", "url")]
    return properties.items()  # type: ignore[union-attr]  # a mapping, if it is no path


def put(event: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at a path, with the objects and lists on the way."""
    here: Any = event
    for number, step in enumerate(path):
        last = number == len(path) - 1
        fresh: Any = value if last else [] if path[number + 1].isdigit() else {}
        if isinstance(here, list):
            here += [{} for _ in range(int(step) + 1 - len(here))]
            here[int(step)] = fresh if last else here[int(step)] or fresh
            here = here[int(step)]
        else:
            here[step] = fresh if last else here.get(step, fresh)
            here = here[step]


def wrapped(event: dict[str, Any], batch: Sequence[str] | None) -> Any:
    """The event as the source's body: alone, or in a list where it sends lists."""
    if batch is None:
        return event
    body: dict[str, Any] = {}
    if not batch:
        return [event]
    put(body, batch, [event])
    return body

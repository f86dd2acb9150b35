"""Which words of the language a set of files uses, each where it stands: `enter {date: …} yearly`, `split decide`."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from workers.engine.steps import BusinessDays, Goto, found
from workers.rulebook.declarations import KINDS
from workers.rulebook.problems import Problems
from workers.rulebook.shape import Raw, Shape, declared, is_shape, members, word
from workers.rulebook.specs import first_kind
from workers.rulebook.stepkeys import is_part, keys_of
from workers.rulebook.yaml12 import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STEPS: Final = "a step"


def words_of(bundle: Mapping[str, str]) -> set[str]:
    """All words that the rule files of a bundle use."""
    files = [(path, text) for path, text in bundle.items() if path.startswith("rules/")]
    kinds = {next(iter(declared(kind))): kind for kind in KINDS}
    read = [read_yaml(path, text, Problems()) for path, text in files]
    return {used for node in read if first_kind(node) in kinds for used in used_in(kinds[first_kind(node)], node.plain)}


def all_words() -> set[str]:
    """All words that there are, those of steps with them. What only repeats a default is none."""
    seen: set[Any] = set()
    return {said for kind in KINDS for said in offered(kind, seen)} | {
        f"{STEPS}: {said}" for name, kind in found().items() for said in (name, *of_step(kind, name, seen))
    }


# ── offered ──────────────────────────────────────────────────────────────────────────────────────────────────


def offered(kind: Any, seen: set[Any]) -> Iterator[str]:
    """The words of a type, and of what it holds."""
    for inner in inner_of(kind):
        yield from offered(inner, seen)
    if not is_shape(kind) or kind in seen:
        return
    seen.add(kind)
    for name, (item, held, said) in declared(kind).items():
        if said.rest:
            continue
        yield f"{kind.title}: {name}"
        for choice in choices_of(held):
            if choice != item.default:
                yield f"{kind.title}: {name}: {word(choice)}"
        yield from offered(held, seen)


def inner_of(kind: Any) -> list[Any]:
    """What a type is composed of."""
    choices = members(kind)
    return choices if choices != [kind] else [arg for arg in get_args(kind) if not isinstance(arg, str)]


def choices_of(kind: Any) -> list[Any]:
    """The words that a key may have as its value."""
    return [choice for each in members(kind) if get_origin(each) is Literal for choice in get_args(each)]


def of_step(kind: Any, where: str, seen: set[Any]) -> Iterator[str]:
    """The keys of a step, or of a part of one."""
    seen.add(kind)
    for name, key in keys_of(kind).items():
        yield f"{where} {name}"
        for part in parts_of(key.kind):
            yield from of_step(part, f"{where} {name}", seen)


def parts_of(kind: Any) -> list[Any]:
    """The parts of a step that a type holds; business days are a way of writing."""
    if is_part(kind) or kind is BusinessDays:
        return [] if kind is BusinessDays else [kind]
    return [part for arg in get_args(kind) for part in parts_of(arg)]


# ── used ─────────────────────────────────────────────────────────────────────────────────────────────────────


def used_in(kind: Any, data: Any) -> Iterator[str]:
    """The words that plain data uses as this type."""
    if get_origin(kind) in {list, tuple, dict}:
        inner = get_args(kind)[-1]
        for each in data.values() if isinstance(data, dict) and get_origin(kind) is dict else listed(data):
            yield from steps_in(each) if inner is Raw else used_in(inner, each)
        return
    shape = chosen(kind, data)
    if shape is None:
        for inner in inner_of(kind) if inner_of(kind) != [kind] else ():
            yield from used_in(inner, data) if get_origin(inner) in {list, dict} else ()
        return
    mapping = data if isinstance(data, dict) else {next(iter(declared(shape))): data} if data is not None else {}
    for name, value in mapping.items():
        if name in declared(shape) and not declared(shape)[name][2].rest:
            yield f"{shape.title}: {name}"
            if value in choices_of(declared(shape)[name][1]):
                yield f"{shape.title}: {name}: {word(value)}"
            yield from used_in(declared(shape)[name][1], value)


def listed(data: Any) -> list[Any]:
    """A list, or a list of one."""
    return data if isinstance(data, list) else [data]


def chosen(kind: Any, data: Any) -> type[Shape] | None:
    """The shape that data is, by its first key."""
    shapes = [each for each in members(kind) if is_shape(each)]
    if not isinstance(data, dict):
        return next((each for each in shapes if each.shorthand), None)
    fitting = [each for each in shapes if set(data) <= set(declared(each)) and next(iter(declared(each))) in data]
    return fitting[0] if fitting else shapes[0] if len(shapes) == 1 else None


def steps_in(data: Any) -> Iterator[str]:
    """The words of one step, and of those inside it."""
    step = {data: None} if isinstance(data, str) else data
    name = next(each for each in step if each in found())
    yield f"{STEPS}: {name}"
    beside = {key: value for key, value in step.items() if key not in {name, "id"}}
    yield from keys_in(found()[name], name, beside)
    keys = [key for key, each in keys_of(found()[name]).items() if not each.beside]
    value = step[name]
    if isinstance(value, dict) and (set(value) & set(keys) or not keys):
        yield from keys_in(found()[name], name, value)
    elif keys:
        yield from keys_in(found()[name], name, {keys[0]: value})


def keys_in(kind: Any, where: str, mapping: Mapping[str, Any]) -> Iterator[str]:
    """The keys that are used of a step, or of a part of one."""
    for name, value in mapping.items():
        if (key := keys_of(kind).get(name)) is None:
            continue
        yield f"{STEPS}: {where} {name}"
        if key.kind is Goto:
            for each in listed(value):
                yield from steps_in(each)
        inside = value.values() if get_origin(key.kind) is AnyMapping and isinstance(value, dict) else listed(value)
        for part in parts_of(key.kind):
            for each in inside:
                yield from keys_in(part, f"{where} {name}", each) if isinstance(each, dict) else ()

"""The reference manual, made of the declarations: what `dripline docs WORD` prints, every word with an example.

A word is a kind of rule file or a key in one (`score`, `limit`), a step of a campaign (`send`), or a function or filter
of expressions (`count`, `matches`). Some words stand in several places; all of them are told.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

from workers.engine import steps
from workers.engine.expressions.functions import FUNCTIONS
from workers.engine.expressions.vocabulary import FILTER_DOCS, FILTER_EXAMPLES
from workers.rulebook.declarations import KINDS
from workers.rulebook.guides import GUIDES, guide
from workers.rulebook.shape import HOLE, About, Shape, declared, is_shape, members, required
from workers.rulebook.stepkeys import Key, is_part
from workers.rulebook.stepkeys import keys_of as keys_of_part
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH: Final = 100
INDENT: Final = "    "
IN_SEGMENT: Final = "segments:\n  example: {}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the manual says of a word in one place.

    Attributes:
        word: as it is written.
        where: what it is, or where it stands.
        text: paragraphs.
        example: a whole rule file that uses it; empty for a kind of file whose only key is an entry of its own.
        keys: for what holds others, these and a sentence about each.
    """

    word: str
    where: str
    text: str
    example: str
    keys: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """As it is printed."""
        parts = [f"{self.word}: {self.where}", indented(self.text)]
        if self.keys:
            parts.append("\n".join(key_line(*key) for key in self.keys))
        return "\n\n".join([*parts, textwrap.indent(self.example, INDENT)])


def manual(word: str) -> str:
    """What there is to say about a word; with an empty word, the list of all words.

    Raises:
        KeyError: nobody knows the word; its text says which one may be meant.
    """
    if not word:
        pages = "\n".join(f"{each.word:<12}{each.title}" for each in GUIDES)
        return f"{pages}\n\n" + "\n".join(textwrap.wrap(" · ".join(words()), WIDTH))
    told = [str(entry) for entry in sorted(entries(), key=is_of_examples) if entry.word == word]
    if not told and (page := guide(word)):
        return str(page)
    if not told:
        known = [*words(), *(each.word for each in GUIDES)]
        raise KeyError(f"there is no word `{word}`; {suggestion(word, known) or 'see the list of words'}")
    return "\n\n\n".join(told)


def is_of_examples(entry: Entry) -> bool:
    """True for what stands in examples of rules: who looks up `campaign` does not mean that of an example."""
    return "example" in entry.where


def words() -> list[str]:
    """All words that the manual knows."""
    return sorted({entry.word for entry in entries()})


@cache
def entries() -> tuple[Entry, ...]:
    """Everything that the manual says."""
    told: dict[tuple[str, str], Entry] = {}
    for entry in [*of_rule_files(), *of_steps(), *of_functions(), *of_filters()]:
        told.setdefault((entry.word, entry.where), entry)
    return tuple(told.values())


# ── rule files ───────────────────────────────────────────────────────────────────────────────────────────────


def of_rule_files() -> Iterator[Entry]:
    """Kinds of rule files, and every key in them."""
    seen: set[type[Shape]] = set()
    for kind in KINDS:
        word = next(iter(declared(kind)))
        held = next((each for each in members(declared(kind)[word][1]) if is_shape(each)), None)
        text = "\n\n".join(cleandoc(each.__doc__ or "") for each in (kind, held) if each)
        yield Entry(word, kind.title, text, example(kind, word), tuple(keys_of(held or kind)))
        for shape in shapes_in(kind, seen):
            yield from of_shape(shape, skipped=word if shape is kind else "")


def shapes_in(kind: Any, seen: set[type[Shape]]) -> Iterator[type[Shape]]:
    """A shape and those that its keys hold, each once."""
    if is_shape(kind):
        if kind not in seen:
            seen.add(kind)
            yield kind
            for _, held, _ in declared(kind).values():
                yield from shapes_in(held, seen)
        return
    for inner in members(kind) if members(kind) != [kind] else getattr(kind, "__args__", ()):
        yield from shapes_in(inner, seen)


def of_shape(shape: type[Shape], skipped: str) -> Iterator[Entry]:
    """The keys of one shape."""
    for name, (_, kind, said) in declared(shape).items():
        if said.rest or name == skipped:
            continue
        held = held_by(kind)
        alone = cleandoc(held[0].__doc__ or "") if len(held) == 1 else ""
        text = "\n\n".join(filter(None, [sentence(said.doc), alone]))
        keys = keys_of(held[0]) if alone else map(choice_of, held)
        yield Entry(name, f"in {shape.title}", text, example(shape, name), tuple(keys))


def held_by(kind: Any) -> list[type[Shape]]:
    """The shapes that a key holds: itself, in a list, or by name."""
    inner = [arg for each in members(kind) for arg in (getattr(each, "__args__", ())[-1:] or (each,))]
    return [each for arg in inner for each in members(arg) if is_shape(each)]


def choice_of(shape: type[Shape]) -> tuple[str, str]:
    """One of several shapes: the key that tells it from the others, what it is, and what may stand beside the key."""
    first, *beside = declared(shape)
    more = f" Beside it: {', '.join(f'`{key}`' for key in beside)}." if beside else ""
    return first, cleandoc(shape.__doc__ or "") + more


def keys_of(shape: type[Shape]) -> Iterator[tuple[str, str]]:
    """The keys of a shape, each with its sentence."""
    for name, (item, _, said) in declared(shape).items():
        if not said.rest:
            yield name, said.doc + (" (needed)" if required(item) else "")


def example(shape: type[Shape], name: str) -> str:
    """A whole rule file in which a key stands."""
    keys = declared(shape)
    about = keys[name][2]
    beside = {line.partition(":")[0]: line for line in about.beside}
    wanted = [key for key, (item, _, _) in keys.items() if required(item) or key in {name, *shape.shown, *beside}]
    lines = [beside.get(key) or f"{key}:{value(keys[key][1], keys[key][2])}" for key in wanted]
    return filled(about.frame or shape.frame, [line for line in lines if ":" in line])


def value(kind: Any, said: About) -> str:
    """An example's value, with what stands between it and the colon."""
    if said.example:
        return said.example if said.example.startswith("\n") else f" {said.example}"
    held = next(each for each in members(kind) if is_shape(each))
    needed = [(key, each, about) for key, (item, each, about) in declared(held).items() if required(item)]
    return "".join(f"\n  {key}:{value(each, about)}" for key, each, about in needed)


def filled(frame: str, lines: list[str]) -> str:
    """A frame with lines in its hole, indented as the hole is."""
    before, _, after = frame.partition(HOLE)
    indent = "\n" + " " * (len(before) - before.rfind("\n") - 1)
    return (before + indent.join("\n".join(lines).split("\n")) + after).rstrip()


# ── steps, functions, filters ────────────────────────────────────────────────────────────────────────────────


def of_steps() -> Iterator[Entry]:
    """The steps of campaigns; their modules say what they are."""
    for word in steps.found():
        doc = cleandoc(import_module(f"{steps.__name__}.{word}").__doc__ or "").split("\n")
        shown = [line.removeprefix(INDENT) for line in doc if line.startswith((INDENT, "- "))]
        text = "\n".join(line for line in doc if not line.startswith((INDENT, "- "))).replace("\n\n\n", "\n\n")
        whole = filled(f"campaign: welcome\nenter: {{event: form.submitted}}\nsteps:\n  {HOLE}", shown)
        keys = [(inside, key) for inside, key in keys_of_step(steps.found()[word]) if key.doc and inside[-1] != word]
        lines = tuple((" ".join(inside), key.doc + (" (needed)" if key.required else "")) for inside, key in keys)
        yield Entry(word, "a step of a campaign", sentence(text.removeprefix(f"`{word}`: ")), whole, lines)
        for (*around, name), key in keys:
            where = " of ".join(f"`{each}`" for each in (*reversed(around), word))
            yield Entry(name, f"in {where}, a step of a campaign", sentence(key.doc), whole)


def keys_of_step(kind: Any, around: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Key]]:
    """The keys of a step and of its parts, each behind those that it stands in; the step's own word is none of them."""
    for name, key in keys_of_part(kind).items():
        yield (*around, name), key
        inside = around if not around and kind.__module__.endswith(f".{name}") else (*around, name)
        for part in parts_of(key.kind):
            yield from keys_of_step(part, inside)


def parts_of(kind: Any) -> list[Any]:
    """The parts of a step that a type holds."""
    return (
        [kind]
        if is_part(kind) and kind is not steps.BusinessDays
        else [part for arg in getattr(kind, "__args__", ()) for part in parts_of(arg)]
    )


def of_functions() -> Iterator[Entry]:
    """The functions of expressions."""
    for word, function in FUNCTIONS.items():
        text = f"{sentence(function.doc)} Written {function.usage}." + (f"\n\n{function.more}" if function.more else "")
        yield Entry(word, "a function of expressions", text, IN_SEGMENT.format(quoted(function.example)))


def of_filters() -> Iterator[Entry]:
    """The filters of expressions."""
    for word, doc in FILTER_DOCS.items():
        shown = IN_SEGMENT.format(quoted(FILTER_EXAMPLES[word]))
        yield Entry(word, "a filter of expressions", sentence(doc), shown)


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────


def quoted(expression: str) -> str:
    """An expression as a YAML value."""
    return expression if not expression.startswith(('"', "'")) else json.dumps(expression)


def sentence(text: str) -> str:
    """Text with a capital letter at its beginning and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "…")) else ".")


def indented(text: str) -> str:
    """Paragraphs, wrapped and indented."""
    paragraphs = [" ".join(each.split()) for each in text.split("\n\n") if each.strip()]
    return "\n\n".join(
        textwrap.fill(each, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT) for each in paragraphs
    )


def key_line(name: str, doc: str) -> str:
    """A key and its sentence in one paragraph."""
    return textwrap.fill(f"{name}: {doc}", WIDTH, initial_indent=INDENT, subsequent_indent=INDENT * 2)

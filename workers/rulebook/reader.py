"""Located nodes into typed values, as `shape` declares them. All findings are collected; what can be read is read."""

from __future__ import annotations

import re
from dataclasses import MISSING
from datetime import timedelta
from math import floor
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from workers.engine.expressions.durations import LONGEST, parse_duration, say_duration
from workers.rulebook.nodes import Listing, Mapped, Node, Scalar, shortened
from workers.rulebook.shape import (
    PLAIN,
    About,
    Raw,
    Shape,
    Source,
    Text,
    declared,
    described,
    is_notation,
    is_shape,
    members,
    required,
    word,
)
from workers.text import nearest, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from workers.rulebook.problems import Place, Problems

TRUTH: Final = {
    **dict.fromkeys(("yes", "on", "y", "true"), "write true"),
    **dict.fromkeys(("no", "off", "n", "false"), "write false"),
}
"""What other YAML reads as true or false, and what to write instead."""
NUMERAL: Final = re.compile(r"[-+0-9.,:_]*[0-9][-+0-9.,:_]*", re.ASCII)
BAD: Final = object()
"""What reading gives when there is nothing to go on with; the problem is recorded."""


class Reader:
    """Reads nodes by declaration.

    Args:
        problems: takes what is wrong; reading goes on with the rest.
        beginnings: words that begin a file of their own, and are no keys elsewhere.
    """

    def __init__(self, problems: Problems, beginnings: Collection[str] = ()) -> None:
        self._problems = problems
        self._beginnings = beginnings

    def read(self, node: Node, kind: Any, key: str, said: About = PLAIN) -> Any:
        """The value of `node` as `kind`, or BAD.

        Args:
            node: what stands in the file.
            kind: the declared type.
            key: what it is called in messages.
            said: what the declaration says beside the type.
        """
        choices = members(kind)
        if len(choices) > 1:
            return self._union(node, choices, key, said)
        kind = choices[0]
        origin = get_origin(kind)
        if is_shape(kind):
            return self.shape(node, kind, key)
        if origin in COMPOSED:
            return COMPOSED[origin](self, node, get_args(kind), key, said)
        if kind is Raw:
            return node
        if kind is Any:
            return node.plain
        return self._scalar(node, kind, key, said)

    def wrong(self, node: Node, wanted: str, key: str, hint: str = "", code: str = "wrong-type") -> object:
        """Record a value of the wrong type."""
        self._problems.add(node.place, code, f"`{key}` wants {wanted}, this is {node.said}", hint)
        return BAD

    # ── mappings with declared keys ──────────────────────────────────────────────────────────────────────────

    def shape(self, node: Node, kind: type[Shape], key: str) -> Any:
        """A mapping as a declared dataclass, or BAD if a required key is missing or bad."""
        keys = declared(kind)
        node = self._as_mapping(node, kind, keys)
        if not isinstance(node, Mapped):
            return self.wrong(node, "a mapping (`key: value`)", key, written_like(kind))
        self._refuse_unknown(node, keys, key)
        values = {name: self._value(node, kind, name) for name in keys}
        if BAD in values.values():
            return BAD
        given = {keys[name][0].name: value for name, value in values.items() if value is not MISSING}
        made = kind(node=node, **given).made(self._problems)
        return BAD if made is None else made

    @staticmethod
    def _as_mapping(node: Node, kind: type[Shape], keys: Mapping[str, Any]) -> Node:
        """A lone value as a mapping, where the declaration allows it."""
        if isinstance(node, Scalar) and node.value is None:
            return Mapped(node.place, {})
        if kind.shorthand and isinstance(node, Scalar):
            return Mapped(node.place, {next(iter(keys)): node}, {next(iter(keys)): node.place})
        return node

    def _value(self, node: Mapped, owner: type[Shape], name: str) -> Any:
        """One key's value; MISSING leaves the default."""
        item, kind, said = declared(owner)[name]
        if said.rest:
            keys = declared(owner)
            return {key: value.plain for key, value in node if key not in keys or key == name}
        if name in node.entries:
            value = self.read(node.entries[name], kind, name, said)
            # With the default instead of a bad value, the rest of the file is still checked.
            return MISSING if value is BAD and not required(item) else value
        if not required(item):
            return MISSING
        self._problems.add(node.place, "missing-key", f"the key `{name}` is missing", said.doc)
        return BAD

    def _refuse_unknown(self, node: Mapped, keys: Mapping[str, Any], key: str) -> None:
        if any(said.rest for _, _, said in keys.values()):
            return
        for name in node.entries:
            if name not in keys:
                near = suggestion(name, keys, "`{}`") or f"there is {', '.join(f'`{known}`' for known in keys)}"
                hint = f"`{name}` begins a file of its own" if name in self._beginnings else near
                self._problems.add(node.keys[name], "unknown-key", f"`{key}` has no key `{name}`", hint)

    # ── unions ───────────────────────────────────────────────────────────────────────────────────────────────

    def _union(self, node: Node, choices: Sequence[Any], key: str, said: About) -> Any:
        """The one branch that is meant; problems are those of that branch alone."""
        shapes = [choice for choice in choices if is_shape(choice)]
        if shapes and isinstance(node, Mapped):
            return self._branch(node, shapes, key)
        for choice in choices:
            if not is_shape(choice) and self._fits(node, choice):
                return self.read(node, choice, key, said)
        wanted = dict.fromkeys(described(choice) for choice in choices)
        words = [str(each) for choice in choices if get_origin(choice) is Literal for each in get_args(choice)]
        near = nearest(node.raw, words) if isinstance(node, Scalar) else None
        hints = [advice(node, choice) for choice in choices] if isinstance(node, Scalar) else []
        hint = f"did you mean {near}?" if near else written_like(shapes[0]) if shapes else next(filter(None, hints), "")
        return self.wrong(node, " or ".join(wanted), key, hint)

    def _branch(self, node: Mapped, shapes: Sequence[type[Shape]], key: str) -> Any:
        """The shape whose first key is there."""
        if len(shapes) == 1:
            return self.shape(node, shapes[0], key)
        by_key = {next(iter(declared(shape))): shape for shape in shapes}
        present = [name for name in by_key if name in node.entries]
        whole = [name for name in present if set(present) <= set(declared(by_key[name]))]
        if len(whole) == 1:  # `when` alone is one thing, and beside `event` a part of it
            return self.shape(node, by_key[whole[0]], key)
        if len(present) == 1:
            return self.shape(node, by_key[present[0]], key)
        listed = " or ".join(f"`{name}`" for name in by_key)
        if present:
            self._problems.add(node.place, "too-many-keys", f"`{key}` wants {listed}, not both", "remove one")
        else:
            near = (hint for name in node.entries if (hint := suggestion(name, by_key, "`{}`")))
            hint = next(near, f"begin it with {listed}")
            self._problems.add(node.place, "missing-key", f"`{key}` wants {listed}", hint)
        return BAD

    @staticmethod
    def _fits(node: Node, kind: Any) -> bool:
        """True if the node is of this type, without a look at what it says."""
        if not isinstance(node, Scalar):
            return get_origin(kind) in {list, tuple} if isinstance(node, Listing) else get_origin(kind) is dict
        if get_origin(kind) is Literal:
            return node.value in get_args(kind)
        if is_notation(kind) or kind is timedelta:
            return (parse_duration(node.raw) if kind is timedelta else kind.read(node)) is not None
        if kind is int and isinstance(node.value, str):
            return NUMERAL.fullmatch(node.raw) is not None  # meant as a number, and refused as one
        if isinstance(node.value, str):
            return kind in {Text, str, Source}
        return type(node.value) in ({int, float} if kind is float else {kind})

    # ── lists and open mappings ──────────────────────────────────────────────────────────────────────────────

    def read_list(self, node: Node, kinds: Sequence[Any], key: str, said: About) -> Any:
        """All entries that can be read."""
        if said.single and not isinstance(node, Listing):
            node = Listing(node.place, [node])
        if not isinstance(node, Listing):
            return self.wrong(node, "a list", key)
        values = [self.read(item, kinds[0], key, said) for item in node.items]
        return [value for value in values if value is not BAD]

    def read_dict(self, node: Node, kinds: Sequence[Any], key: str, said: About) -> Any:
        """All entries that can be read, by name."""
        if isinstance(node, Scalar) and node.value is None:
            return {}
        if not isinstance(node, Mapped):
            return self.wrong(node, "a mapping (`key: value`)", key)
        values: dict[Text, Any] = {}
        inner = About(said.doc, least=said.least, most=said.most)
        for name, value in node:
            located = Text.at(name, node.keys[name])
            self._looks_right(located, said, located.place, key)
            values[located] = self.read(value, kinds[1], name, inner)
        return {name: value for name, value in values.items() if value is not BAD}

    def read_tuple(self, node: Node, kinds: Sequence[Any], key: str, said: About) -> Any:
        """As many entries as declared."""
        if not isinstance(node, Listing) or len(node.items) != len(kinds):
            return self.wrong(node, f"a list of {len(kinds)}, like [0, 100]", key)
        values = tuple(self.read(item, kind, key, said) for item, kind in zip(node.items, kinds, strict=True))
        return BAD if BAD in values else values

    def read_literal(self, node: Node, choices: Sequence[Any], key: str, _: About) -> Any:
        """One of a few words."""
        if isinstance(node, Scalar) and node.value in choices:
            return node.value
        words = [word(choice) for choice in choices]
        if isinstance(node, Scalar) and isinstance(node.value, str):
            text = f"`{key}` cannot be {shortened(node.raw)}"
            hint = suggestion(node.raw, words) or f"there is {', '.join(words)}"
            self._problems.add(node.place, "unknown-choice", text, hint)
            return BAD
        return self.wrong(node, " or ".join(words), key)

    # ── single values ────────────────────────────────────────────────────────────────────────────────────────

    def _scalar(self, node: Node, kind: Any, key: str, said: About) -> Any:
        """Text, an expression, a number, true or false, a duration."""
        if not isinstance(node, Scalar) or node.value is None:
            hint = f"write something, or remove `{key}`" if isinstance(node, Scalar) else ""
            return self.wrong(node, described(kind), key, hint)
        if is_notation(kind):
            value = kind.read(node)
            return self.wrong(node, kind.words, key, kind.hint(node), kind.code) if value is None else value
        value = SCALARS[kind](node)
        if value is BAD:
            return self.wrong(node, described(kind), key, advice(node, kind))
        if isinstance(value, str):
            self._looks_right(value, said, node.place, key)  # a bad name is no reason to leave the rest unread
            return value
        return value if self._in_bounds(value, said, node.place, key) else BAD

    def _looks_right(self, text: str, said: About, place: Place, key: str) -> None:
        if said.pattern is not None and not re.fullmatch(said.pattern[0], text):
            hint = f"write {said.pattern[1]}"
            self._problems.add(place, "bad-name", f"{shortened(text)} cannot stand in `{key}`", hint)

    def _in_bounds(self, value: Any, said: About, place: Place, key: str) -> bool:
        least, most = said.least, said.most
        if isinstance(value, timedelta):
            least, most = timedelta(seconds=1) if least is None else least, most or LONGEST
        below, above = least is not None and value < least, most is not None and value > most
        if below or above:
            bound = f"at least {say(least)}" if below else f"at most {say(most)}"
            self._problems.add(place, "out-of-range", f"`{key}` is {say(value)}", f"it can be {bound}")
        return not (below or above)


def written_like(kind: type[Shape]) -> str:
    """How such a mapping is written, with the keys that it needs; empty where nobody has given examples of them."""
    keys = [name for name, (item, _, _) in declared(kind).items() if required(item) or name in kind.shown]
    examples = {name: declared(kind)[name][2].example for name in keys}
    if not examples or any(not each or "\n" in each for each in examples.values()):
        return ""
    return f"write it like {{{', '.join(f'{name}: {example}' for name, example in examples.items())}}}"


def say(value: Any) -> str:
    """A number or duration, for people."""
    if isinstance(value, timedelta):
        return say_duration(value)
    return f"{int(value) if value == int(value) else value:,}"


def text_of(node: Scalar) -> Any:
    """Text with its place."""
    return Text.at(node.raw, node.place) if isinstance(node.value, str) and node.value.strip() else BAD


def source_of(node: Scalar) -> Any:
    """An expression; `true` and `1200` are expressions, too."""
    return Source.inside(node, node.raw)


def number_of(node: Scalar) -> Any:
    """A number, as a float."""
    return float(node.value) if type(node.value) in {int, float} else BAD  # type: ignore[arg-type]


def exactly(kind: type) -> Callable[[Scalar], Any]:
    """A value of this very type."""
    return lambda node: node.value if type(node.value) is kind else BAD


def duration_of(node: Scalar) -> Any:
    """A duration."""
    duration = parse_duration(node.raw) if isinstance(node.value, str) else None
    return BAD if duration is None else duration


SCALARS: Final[Mapping[Any, Callable[[Scalar], Any]]] = {
    Text: text_of,
    str: text_of,
    Source: source_of,
    int: exactly(int),
    float: number_of,
    bool: exactly(bool),
    timedelta: duration_of,
}
COMPOSED: Final[Mapping[Any, Callable[..., Any]]] = {
    list: Reader.read_list,
    dict: Reader.read_dict,
    tuple: Reader.read_tuple,
    Literal: Reader.read_literal,
}


def advice(node: Scalar, kind: Any) -> str:
    """What to do about a value of the wrong type, where the mistake is a usual one."""
    if kind is bool:
        return TRUTH.get(node.raw.lower(), "")
    if kind in {int, float}:
        return number_advice(node, kind)
    if kind in {Text, str}:
        return "write something" if isinstance(node.value, str) else "put quotes round it"
    return "write it like 30 days, 2 hours, 45 minutes or 1 week" if kind is timedelta else ""


def number_advice(node: Scalar, kind: Any) -> str:
    """What to do about a text where a number is wanted, or a fraction where whole ones count."""
    if kind is int and isinstance(node.value, float):
        return f"write {floor(node.value)} or {floor(node.value) + 1}"
    if not isinstance(node.value, str):
        return ""
    if node.style:
        return "remove the quotes"
    bare = node.raw.replace("_", "").replace(",", "").lstrip("0")
    return f"write {bare}" if bare.isdigit() and bare != node.raw else "write digits alone, like 20"

"""The steps of a campaign, each read by the dataclass of its word in `workers.engine.steps`."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from workers.engine.expressions.durations import say_duration
from workers.engine.steps import found
from workers.rulebook.nodes import Mapped, Node, Scalar
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.shape import NAME, About, Text, declared, required
from workers.text import slug, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workers.engine.steps import Step
    from workers.rulebook.names import Checker

ID: Final = About("", pattern=NAME)


def read_steps(nodes: Sequence[Node], check: Checker) -> tuple[Step, ...]:
    """All steps that can be read, in order, each with an id of its own.

    An id that the file does not give is made of the word and its first setting (`send-welcome-hello`), so that it
    stays the same when other steps come and go.
    """
    reader = StepReader(check)
    return tuple(step for node in nodes if (step := reader.step(node)) is not None)


class StepReader:
    """Reads the steps of one campaign."""

    def __init__(self, check: Checker) -> None:
        self._check = check
        self._reader = Reader(check.problems)
        self._ids: set[str] = set()

    def step(self, node: Node) -> Step | None:
        """One step, or None."""
        node = alone(node)
        if not isinstance(node, Mapped):
            self._reader.wrong(node, "a step like `send: welcome/hello`", "steps")
            return None
        word = self._word(node)
        if word is None:
            return None
        kind = found()[word]
        values = self._settings(word, kind, node.entries[word])
        identifier = self._given_id(node) if "id" in node.entries else self._made_id(word, values)
        if BAD in values.values() or not identifier:
            return None
        self._check_names(kind, values)
        plain = {name: str(value) if isinstance(value, str) else value for name, value in values.items()}
        return cast("Step", kind(**plain, id=identifier))

    def _word(self, node: Mapped) -> str | None:
        """The step's word; every other key but `id` is wrong."""
        words = [key for key in node.entries if key in found()]
        problems = self._check.problems
        for key, place in node.keys.items():
            if key in words[:1] or key == "id":
                continue
            if key in words:
                problems.add(place, "too-many-keys", f"`{words[0]}` and `{key}` in one step", "begin each with a dash")
            else:
                text = f"there is no step `{key}`" if not words else f"a step has no key `{key}`"
                code = "unknown-key" if words else "unknown-step"
                problems.add(place, code, text, suggestion(key, found() if not words else ["id"], "`{}`"))
        if not node.entries:
            problems.add(node.place, "missing-key", "the step is empty", suggestion("", found(), "`{}`"))
        return words[0] if words else None

    def _settings(self, word: str, kind: Any, node: Node) -> Mapping[str, Any]:
        """The settings of a step; a value that is no mapping is the first of them."""
        keys = declared(kind)
        if not isinstance(node, Mapped):
            first = next(iter(keys), None)
            entries = {first: node} if first and not (isinstance(node, Scalar) and node.value is None) else {}
            node = Mapped(node.place, entries, dict.fromkeys(entries, node.place))
        for key, place in node.keys.items():
            if key not in keys:
                hint = suggestion(key, keys, "`{}`")
                self._check.problems.add(place, "unknown-key", f"`{word}` has no key `{key}`", hint)
        return {name: value for name in keys if (value := self._setting(word, node, keys, name)) is not None}

    def _setting(self, word: str, node: Mapped, keys: Mapping[str, Any], name: str) -> Any:
        """One setting; None leaves the default."""
        item, kind, said = keys[name]
        if name in node.entries:
            return self._reader.read(node.entries[name], kind, name, said)
        if required(item):
            text = f"`{word}` wants a value" if name == word else f"`{word}` wants the key `{name}`"
            self._check.problems.add(node.place, "missing-key", text, said.doc)
            return BAD
        return None

    # ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _given_id(self, node: Mapped) -> str:
        """The id that stands in the file; empty if it is unusable."""
        value = self._reader.read(node.entries["id"], Text, "id", ID)
        if value is BAD:
            return ""
        if value in self._ids:
            text = f"two steps have the id `{value}`"
            self._check.problems.add(value.place, "duplicate-name", text, "give each its own")
        self._ids.add(str(value))
        return str(value)

    def _made_id(self, word: str, values: Mapping[str, Any]) -> str:
        """An id made of the word and the first setting."""
        first = next((value for value in values.values() if value is not BAD), "")
        made = base = slug(f"{word} {written(first)}")
        count = 1
        while made in self._ids:
            count += 1
            made = f"{base}-{count}"
        self._ids.add(made)
        return made

    def _check_names(self, kind: Any, values: Mapping[str, Any]) -> None:
        """Templates that a step names have to be there."""
        for item in fields(kind):
            if item.metadata.get("names") == "template" and item.name in values:
                name = values[item.name]
                declare = f"write templates/{name}/mail.txt"
                self._check.known("template", name, self._check.names.templates, declare)


def alone(node: Node) -> Node:
    """`- end` as `- end: `."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value in found():
        empty = Scalar(node.place, None, "")
        return Mapped(node.place, {node.value: empty}, {node.value: node.place})
    return node


def written(value: Any) -> str:
    """A setting as text, for an id."""
    return say_duration(value) if isinstance(value, timedelta) else str(value)

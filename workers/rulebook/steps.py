"""The steps of a campaign, each read by the dataclass of its word in `workers.engine.steps`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from workers.engine.steps import found
from workers.rulebook.nodes import Listing, Mapped, Node, Scalar, key_place
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.settings import Settings
from workers.rulebook.shape import NAME, About, Text
from workers.rulebook.stepkeys import keys_of
from workers.rulebook.wording import written
from workers.text import MANUAL, slug, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from workers.engine.steps import Known, Objection, Step
    from workers.rulebook.names import Checker

ID = About("", pattern=NAME)


@dataclass(slots=True)
class Block:
    """Steps in a row, each with the blocks inside it."""

    steps: list[Step] = field(default_factory=list)
    inside: list[list[Block]] = field(default_factory=list)

    @property
    def first(self) -> str:
        """Id of the first step, "" if there is none."""
        return self.steps[0].id if self.steps else ""

    def flat(self) -> Iterator[Step]:
        """All steps in the order of the file."""
        for step, blocks in zip(self.steps, self.inside, strict=True):
            yield step
            for block in blocks:
                yield from block.flat()

    def order(self, end: str = "") -> Iterator[tuple[str, str]]:
        """Each step with the one that follows it; whoever comes to the end of a block goes on after what holds it."""
        for index, step in enumerate(self.steps):
            following = self.steps[index + 1].id if index + 1 < len(self.steps) else end
            yield step.id, following
            for block in self.inside[index]:
                yield from block.order(following)


@dataclass(frozen=True, slots=True)
class Journey:
    """What the steps of a campaign came to.

    Attributes:
        steps: all of them, in the order of the file.
        after: the step that follows each, "" at the end.
        nodes: where each stands.
    """

    steps: tuple[Step, ...]
    after: Mapping[str, str]
    nodes: Mapping[str, Node]


def read_steps(nodes: Sequence[Node], check: Checker) -> Journey:
    """All steps that can be read, each with an id of its own.

    An id that the file does not give is made of the word and its first setting (`send-welcome-hello`), so that it
    stays the same when other steps come and go.
    """
    reader = StepReader(check)
    block = reader.block(nodes)
    return Journey(tuple(block.flat()), dict(block.order()), reader.nodes)


class StepReader:
    """Reads the steps of one campaign.

    Attributes:
        nodes: where each step stands, by its id.
    """

    def __init__(self, check: Checker) -> None:
        self._check = check
        self._reader = Reader(check.problems)
        self._ids: set[str] = set()
        self.nodes: dict[str, Node] = {}

    def block(self, nodes: Sequence[Node]) -> Block:
        """Steps in a row."""
        block = Block()
        for node in nodes:
            inside: list[Block] = []
            step = self.step(node, inside)
            if step is not None:
                block.steps.append(step)
                block.inside.append(inside)
        return block

    def step(self, node: Node, inside: list[Block]) -> Step | None:
        """One step, or None; the blocks inside it are added to `inside`."""
        node = alone(node)
        if not isinstance(node, Mapped):
            self._reader.wrong(node, "a step like `send: welcome/hello`", "steps")
            return None
        word = self._word(node)
        if word is None:
            return None

        def nested(below: Node) -> Any:
            if isinstance(below, Listing) and not below.items:
                problems = self._check.problems
                problems.add(below.place, "empty-branch", "there are no steps here", "write one, or remove it")
                return BAD
            inner = self.block(below.items if isinstance(below, Listing) else [below])
            inside.append(inner)
            return inner.first

        kind = found()[word]
        values = Settings(self._check, nested).of_step(word, kind, node)
        identifier = self._given_id(node) if "id" in node.entries else self._made_id(word, values)
        if BAD in values.values() or not identifier:
            return None
        self.nodes[identifier] = node
        step = kind(**values, id=identifier)
        self._object(step, node)
        return cast("Step", step)

    def _object(self, step: Any, node: Mapped) -> None:
        """What the step itself says against its settings."""
        object_to: Callable[[Known], Iterable[Objection]] | None = getattr(step, "objections", None)
        for each in object_to(self._check.names) if object_to else ():
            self._check.problems.add(key_place(node, each.keys), each.code, each.text, each.hint)

    def _word(self, node: Mapped) -> str | None:
        """The step's word; of the other keys, only those are right that stand beside it."""
        words = [key for key in node.entries if key in found()]
        beside = ["id", *(key for word in words[:1] for key, each in keys_of(found()[word]).items() if each.beside)]
        words = [word for word in words if word not in beside]
        problems = self._check.problems
        for key, place in node.keys.items():
            if key in words[:1] or (words and key in beside) or key == "id":
                continue
            if key in words:
                problems.add(place, "too-many-keys", f"`{words[0]}` and `{key}` in one step", "begin each with a dash")
            else:
                text = f"there is no step `{key}`" if not words else f"a step has no key `{key}`"
                code = "unknown-key" if words else "unknown-step"
                problems.add(place, code, text, suggestion(key, found() if not words else beside, "`{}`") or MANUAL)
        if not node.entries:
            problems.add(node.place, "missing-key", "the step is empty", suggestion("", found(), "`{}`") or MANUAL)
        return words[0] if words else None

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


def alone(node: Node) -> Node:
    """`- end` as `- end: `."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and node.value in found():
        empty = Scalar(node.place, None, "")
        return Mapped(node.place, {node.value: empty}, {node.value: node.place})
    return node

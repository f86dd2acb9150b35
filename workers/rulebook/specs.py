"""Every rule file of a bundle read by its kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from workers.rulebook.bundle import RULES
from workers.rulebook.declarations import (
    KINDS,
    AccountFile,
    EventsFile,
    ExamplesFile,
    FieldsFile,
    GradeFile,
    MachinesFile,
    PromoteFile,
    ScoreFile,
    SegmentsFile,
    StagesFile,
    TrackingFile,
)
from workers.rulebook.nodes import Mapped, Node, Scalar
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.shape import Shape, declared
from workers.rulebook.yaml12 import read_yaml
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.rulebook.problems import Problems

S = TypeVar("S", bound=Shape)
KIND_OF: Final = {next(iter(declared(kind))): kind for kind in KINDS}
"""The kinds of rule files by their word."""
GUESTS: Final = frozenset({next(iter(declared(kind))) for kind in (MachinesFile, ExamplesFile)})
"""Words that also stand in files of other kinds."""
ONCE: Final = (AccountFile, MachinesFile, StagesFile, PromoteFile, TrackingFile)
"""Kinds of which there is one file: two would contradict each other, or have no order."""
DECLARING: Final = frozenset(
    {None, FieldsFile, EventsFile, StagesFile, ScoreFile, SegmentsFile, GradeFile, PromoteFile}
)
"""Kinds that declare names for other files; None is a file whose kind is not known."""


@dataclass(slots=True)
class Specs:
    """What the rule files say, by kind.

    Attributes:
        unread: kinds of files that were there and could not be read; None for files of unknown kind.
    """

    files: dict[type[Shape], list[Any]] = field(default_factory=dict)
    unread: set[type[Shape] | None] = field(default_factory=set)

    def of(self, kind: type[S]) -> list[S]:
        """All files of one kind."""
        return self.files.get(kind, [])

    def one(self, kind: type[S]) -> S | None:
        """The file of a kind that there is one of."""
        return next(iter(self.of(kind)), None)


def read_specs(bundle: Mapping[str, str], problems: Problems) -> Specs:
    """Every rule file by its kind."""
    specs = Specs()
    reader = Reader(problems)
    for path, text in sorted(bundle.items()):
        if not path.startswith(RULES):
            continue
        node = read_yaml(path, text, problems)
        kind = kind_of(node, problems) if node else None
        spec = reader.shape(node, kind, next(iter(declared(kind)))) if node and kind else BAD
        if spec is BAD or kind is None:
            specs.unread.add(kind)
        else:
            add(specs, kind, spec, problems)
    problems.incomplete = not specs.unread.isdisjoint(DECLARING)
    return specs


def kind_of(node: Node, problems: Problems) -> type[Shape] | None:
    """Which kind of rule file this is."""
    listed = ", ".join(f"`{word}`" for word in sorted(KIND_OF))
    if isinstance(node, Scalar) and node.value is None:
        problems.add(node.place, "empty-file", "the file says nothing", f"begin with one of {listed}")
        return None
    if not isinstance(node, Mapped):
        problems.add(
            node.place, "wrong-type", f"a rule file is a mapping, this is {node.said}", f"begin with one of {listed}"
        )
        return None
    for word, kind in KIND_OF.items():
        if word in node.entries and (word == "source" or word == first_kind(node)):
            return kind
    near = next((hint for key in node.entries if (hint := suggestion(key, KIND_OF, "`{}`"))), "")
    place = next(iter(node.keys.values()), node.place)
    problems.add(place, "unknown-kind", "nothing here says what kind of rule file this is", near)
    return None


def first_kind(node: Mapped) -> str | None:
    """The first key that names a kind of file; one that may stand in others only if there is no better."""
    words = [key for key in node.entries if key in KIND_OF]
    return next((word for word in words if word not in GUESTS), words[0] if words else None)


def add(specs: Specs, kind: type[Shape], spec: Any, problems: Problems) -> None:
    """Take a file in, unless it is the second of a kind that there is one of."""
    present = specs.files.setdefault(kind, [])
    if present and kind in ONCE:
        word = next(iter(declared(kind)))
        first = present[0].node.place.file
        text = f"a second file with `{word}`, the first is {first}"
        problems.add(spec.node.keys[word], "duplicate-file", text, "put them into one")
        return
    present.append(spec)

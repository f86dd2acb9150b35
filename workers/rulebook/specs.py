"""Every rule file of a bundle read by its kind."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from workers.rulebook.bundle import RULES
from workers.rulebook.declarations import (
    KINDS,
    AccountFile,
    ConsentFile,
    EventsFile,
    ExamplesFile,
    FieldsFile,
    GradeFile,
    MachinesFile,
    PromoteFile,
    ScoreFile,
    SegmentsFile,
    SendingFile,
    StagesFile,
    TrackingFile,
)
from workers.rulebook.nodes import Mapped, Node, Scalar
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.shape import Shape, declared, is_shape
from workers.rulebook.yaml12 import read_yaml
from workers.text import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.rulebook.problems import Problems

S = TypeVar("S", bound=Shape)
KIND_OF: Final = {next(iter(declared(kind))): kind for kind in KINDS}
"""The kinds of rule files by their word."""
GUESTS: Final = frozenset({next(iter(declared(kind))) for kind in (MachinesFile, ExamplesFile)})
"""Words that also stand in files of other kinds."""
ONCE: Final = (AccountFile, MachinesFile, StagesFile, PromoteFile, TrackingFile, ConsentFile, SendingFile)
"""Kinds of which there is one file: two would contradict each other, or have no order."""
DECLARES: Final[Mapping[type[Shape], tuple[str, ...]]] = {
    FieldsFile: ("field", "value"), EventsFile: ("event", "property"), StagesFile: ("stage",),
    ScoreFile: ("score", "band"), SegmentsFile: ("segment",), GradeFile: ("grade",), PromoteFile: ("criterion",),
}  # fmt: skip
"""What kinds of files declare for other files, by the words for it."""


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
    reader = Reader(problems, KIND_OF)
    for path, text in sorted(bundle.items()):
        if not path.startswith(RULES):
            continue
        node = read_yaml(path, text, problems)
        kind = kind_of(node, problems) if node else begun(text)
        spec = reader.shape(node, kind, next(iter(declared(kind)))) if node and kind else BAD
        if spec is BAD or kind is None:
            specs.unread.add(kind)
        else:
            add(specs, kind, spec, problems)
    nouns = DECLARES.values() if None in specs.unread else [DECLARES.get(kind, ()) for kind in specs.unread if kind]
    problems.hidden = frozenset(f"unknown-{noun}" for each in nouns for noun in each)
    return specs


def begun(text: str) -> type[Shape] | None:
    """The kind of a file that is no YAML, as far as its first words tell."""
    words = [word for word in re.findall(r"^([a-z]+):", text, re.MULTILINE) if word in KIND_OF]
    own = [word for word in words if word not in GUESTS]
    return KIND_OF[own[0]] if own else None


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
    near = next((meant for key in node.entries if (meant := nearest(key, KIND_OF))), None)
    place = next(iter(node.keys.values()), node.place)
    guess = f"did you mean `{near}`?" if near else beginning(set(node.entries))
    hint = guess or f"begin with one of {listed}"
    problems.add(place, "unknown-kind", "nothing here says what kind of rule file this is", hint)
    return None


def beginning(keys: set[str]) -> str:
    """With which word a file of these keys was meant to begin; empty if they fit no kind, or several."""
    fitting = {}
    for word, kind in KIND_OF.items():
        _, held, _ = declared(kind)[word]
        below = set(declared(held)) if is_shape(held) else set()
        beside = set(declared(kind)) - GUESTS
        if len(keys & beside) > len(keys - beside):
            fitting[word] = f"begin with `{word}: …`, which these keys stand beside"
        elif len(keys & below) > len(keys - below):
            fitting[word] = f"begin with `{word}:`, and indent the rest below it"
    return next(iter(fitting.values())) if len(fitting) == 1 else ""


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

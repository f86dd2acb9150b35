"""Strict YAML 1.2, with the place of every value.

PyYAML reads YAML 1.1, where `on:` is True, `NO` False, `12:30:00` 45000, `010` 8, and the last of two equal keys wins
without a word. Only its events are used here; what a value means is decided below:

- `true` and `false` are the only booleans; nothing, `~` and `null` are None; whole numbers are decimal, without
  leading zeros and underscores; numbers with a point have digits on both sides. Everything else is text, dates and
  numbers of more than 15 digits (they are ids) included.
- Keys are text, and no two in a mapping are equal. There are no tags, no merge keys and no second document.
- Size, nesting, and what aliases may stand for are bounded.

Any text gives a tree or nothing, and problems with their places; never an exception.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from workers.rulebook.nodes import Listing, Mapped, Node, Scalar
from workers.rulebook.problems import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.rulebook.problems import Problems

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 50
MAX_ALIASES: Final = 100
MAX_NODES: Final = 100_000
"""Values in one file, those behind an alias counted every time."""
MAX_DIGITS: Final = 15
PARSER: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NOTHING: Final = frozenset({"", "~", "null"})
TRUTH: Final = {"true": True, "false": False}
WHOLE: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
REAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]{1,3})?", re.ASCII)
LINE_BREAK: Final = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What counts as the end of a line in YAML, and so in its marks."""

OTHERWISE: Final = "put text that has signs in it in quotes, and indent alike what belongs together"
"""What to do about most of what cannot be read."""
HINTS: Final = (
    ("mapping values are not allowed", "put quotes round a text that holds `: `, and check the indentation"),
    ("did not find expected key", "an expression that begins with a quote needs other quotes round the whole of it"),
    ("expected <block end>", "an expression that begins with a quote needs other quotes round the whole of it"),
    ("cannot start any token", "indent with spaces, and put quotes round a text that begins with % @ ` or a tab"),
    ("did not find expected '-'", "indent the entries of one list equally"),
    ("unexpected end of stream", "the closing quote is missing"),
    ("',' or '", "a bracket or brace is not closed, or a text in it needs quotes"),
    ("did not find expected node", "a bracket or brace is not closed, or a value is missing"),
)


class Hopeless(Exception):
    """The text has no tree; carries the problem out of the builder and never leaves this module."""

    def __init__(self, place: Place, code: str, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.problem = (place, code, text, hint)


def read_yaml(file: str, text: str, problems: Problems, first_line: int = 1) -> Node | None:
    """The tree of a YAML text, or None where there is none.

    Args:
        file: its name, for places.
        text: its content.
        problems: takes what is wrong with it.
        first_line: line of the file that the text begins in.
    """
    try:
        check_text(file, text)
        text = "\n" * (first_line - 1) + text.removeprefix("\ufeff")
        lines = LINE_BREAK.split(text)
        return Builder(file, lines, problems).build(yaml.parse(text, Loader=PARSER))
    except Hopeless as hopeless:
        problems.add(*hopeless.problem)
    except yaml.MarkedYAMLError as error:
        problems.add(*translated(file, lines, error))
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter: PyYAML's own on impossible escapes
        problems.add(Place(file, first_line), "yaml-syntax", f"not YAML: {one_line(error)}", OTHERWISE)
    return None


def check_text(file: str, text: str) -> None:
    """Refuse what is too large or holds characters that no text file has."""
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Hopeless(Place(file), "too-large", f"larger than {MAX_BYTES:,} bytes", "split the file")
    if found := re.search("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text):
        lines = LINE_BREAK.split(text[: found.start()])
        place = Place(file, len(lines), len(lines[-1]) + 1)
        told = f"the character U+{ord(found.group()):04X} cannot stand in YAML"
        raise Hopeless(place, "yaml-character", told, "remove it; it came along with copied text, and may not show")


def translated(file: str, lines: Sequence[str], error: yaml.MarkedYAMLError) -> tuple[Place, str, str, str]:
    """PyYAML's complaint with a place and, where the mistake is a known one, a hint."""
    mark = error.problem_mark or error.context_mark
    text = one_line(error.problem or error.context or "not YAML")
    hint = next((hint for part, hint in HINTS if part in text), OTHERWISE)
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if line >= len(lines):  # libyaml sees an end of the file behind its last line
        line, column = len(lines) - 1, len(lines[-1])
    return Place(file, line + 1, column + 1), "yaml-syntax", text, hint


def one_line(error: object) -> str:
    """An error's text without line breaks."""
    return " ".join(str(error).split())[:200]


@dataclass(slots=True)
class Open:
    """A list or mapping whose end has not come yet."""

    place: Place
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    key: str | None = None
    size: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class Anchored:
    """A value that aliases may stand for, how many values it holds, and how deep it is."""

    node: Node
    size: int
    height: int


class Builder:
    """Makes the tree out of PyYAML's events, without recursion.

    Args:
        file: its name, for places.
        lines: the text by lines, to find where the lines of a block text begin.
        problems: takes what does not stand in the way of a tree.
    """

    def __init__(self, file: str, lines: Sequence[str], problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._lines = lines
        self._open: list[Open] = []
        self._anchors: dict[str, Anchored | None] = {}
        self._root: Node | None = None
        self._aliases = 0
        self._nodes = 0

    def build(self, events: Any) -> Node:
        """The tree.

        Raises:
            Hopeless: the text is YAML, and not such as rule files are written in.
        """
        for event in events:
            self._take(event)
        return self._root or Scalar(Place(self._file), None, "")

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._add_scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._document(event)

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _document(self, event: yaml.DocumentStartEvent) -> None:
        if self._root is not None:
            raise Hopeless(self._place(event), "yaml-documents", "a second document in one file", "remove the `---`")
        if event.tags:
            self._problems.add(self._place(event), "yaml-tag", "tags are not used here", "remove the %TAG line")

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None:
            hint = "write the value alone; quotes make it text"
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._problems.add(self._place(event), "yaml-tag", f"the tag `{tag}` is not used here", hint)

    # ── beginning and end ────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._check_tag(event)
        place = self._place(event)
        if len(self._open) >= MAX_DEPTH:
            raise Hopeless(place, "too-deep", f"nested more than {MAX_DEPTH} deep")
        if self._open and self._open[-1].is_mapping and self._open[-1].key is None:
            raise Hopeless(place, "yaml-key", "a list or mapping as a key", "write the key as plain text")
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(Open(place, event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _end(self) -> None:
        done = self._open.pop()
        node: Node = Mapped(done.place, done.entries, done.keys) if done.is_mapping else Listing(done.place, done.items)
        self._remember(done.anchor, Anchored(node, done.size, done.height))
        self._add(node, done.size, done.height)

    def _remember(self, anchor: str | None, anchored: Anchored) -> None:
        if anchor:
            self._anchors[anchor] = anchored

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        if event.anchor not in self._anchors:
            raise Hopeless(place, "yaml-alias", f"nothing has the anchor `&{event.anchor}`", "quote a text with a `*`")
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise Hopeless(place, "yaml-alias", f"`*{event.anchor}` stands inside itself")
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise Hopeless(place, "yaml-alias", f"more than {MAX_ALIASES} aliases in one file")
        self._add(anchored.node, anchored.size, anchored.height, place)

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────

    def _add_scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        place = self._place(event)
        style = event.style or ""
        value = meaning(event.value) if event.implicit[0] and not style else event.value
        node = Scalar(place, value, event.value, style, self._starts(event, style))
        self._remember(event.anchor, Anchored(node, 1, 1))
        self._add(node, 1, 1)

    def _starts(self, event: Any, style: str) -> list[Place]:
        """Where the lines of a value begin; only the first where quoting or folding moves the characters."""
        line, column = event.start_mark.line, event.start_mark.column
        if style == "|":
            return self._block_starts(event.value, line + 1)
        quoted = 1 if style in {"'", '"'} else 0
        written = event.end_mark.column - column - 2 * quoted
        exact = event.end_mark.line == line and written == len(event.value)
        return [Place(self._file, line + 1, column + 1 + quoted)] if exact else []

    def _block_starts(self, value: str, line: int) -> list[Place]:
        starts = []
        for number, text in enumerate(value.rstrip("\n").split("\n"), line):
            written = self._lines[number] if number < len(self._lines) else ""
            starts.append(Place(self._file, number + 1, written.find(text) + 1 if text in written else 1))
        return starts

    def _add(self, node: Node, size: int, height: int, place: Place | None = None) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            raise Hopeless(place or node.place, "too-large", f"more than {MAX_NODES:,} values in one file")
        if not self._open:
            self._root = node
            return
        into = self._open[-1]
        into.size += size
        into.height = max(into.height, height + 1)
        if len(self._open) + height > MAX_DEPTH + 1:
            raise Hopeless(place or node.place, "too-deep", f"nested more than {MAX_DEPTH} deep")
        if not into.is_mapping:
            into.items.append(node)
        elif into.key is None:
            into.key = self._key(into, node, place or node.place)
        else:
            into.entries[into.key] = node
            into.key = None

    def _key(self, into: Open, node: Node, place: Place) -> str:
        if not isinstance(node, Scalar):
            raise Hopeless(place, "yaml-key", "a list or mapping as a key", "write the key as plain text")
        key = node.raw
        if key == "<<" and not node.style:
            self._problems.add(place, "yaml-key", "merge keys are not used here", "write the keys out")
        if not key:
            self._problems.add(place, "yaml-key", "an empty key", "write a word before the colon")
        if first := into.keys.get(key):
            text = f"`{key}` stands twice, first in line {first.line}"
            self._problems.add(place, "duplicate-key", text, "remove one of them")
        into.keys.setdefault(key, place)
        return key


def meaning(raw: str) -> str | float | bool | None:
    """What a value without quotes means."""
    if raw in NOTHING:
        return None
    if raw in TRUTH:
        return TRUTH[raw]
    if WHOLE.fullmatch(raw):
        return int(raw) if len(raw.lstrip("+-")) <= MAX_DIGITS else raw
    if REAL.fullmatch(raw) and len(raw) <= 2 * MAX_DIGITS and math.isfinite(value := float(raw)):
        return value
    return raw

"""The rules in the repository show every word of the rule language at work, so that one can learn it from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args, get_origin

import pytest

from workers.engine.expressions.functions import FUNCTIONS
from workers.engine.expressions.vocabulary import FILTER_NAMES
from workers.rulebook import check, read
from workers.rulebook.declarations import KINDS, Field
from workers.rulebook.reader import Reader
from workers.rulebook.shape import declared, is_shape, members

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

ROOT: Final = Path(__file__).parents[3]
SHIPPED: Final = read(ROOT / "rules", ROOT / "templates")
TEXT: Final = "\n".join(re.sub(r"(^|\s)#.*", "", text) for path, text in SHIPPED.items() if path.startswith("rules/"))
Used = set[tuple[str, str]]


def shapes(kind: Any) -> Iterator[Any]:
    """The declarations in a type, those inside them included."""
    for member in members(kind) if members(kind) != [kind] else get_args(kind):
        yield from shapes(member)
    if is_shape(kind):
        yield kind
        for _, held, _ in declared(kind).values():
            yield from shapes(held)


def choices(kind: Any) -> Iterator[Any]:
    """The words that one may choose among."""
    for member in members(kind):
        if get_origin(member) is Literal:
            yield from get_args(member)


def is_plain(word: object) -> bool:
    """Lists are alike whatever they are of, and one of them will do."""
    return not str(word).startswith("list") or word == "list of text"


JOURNEYS_AND_MAIL: Final = frozenset({"campaigns", "examples", "expected", "hours", "sending", "tracking"})
EVERY: Final = list(dict.fromkeys(each for kind in KINDS for each in shapes(kind)))
WORDS: Final = [
    *(
        (shape.__name__, key)
        for shape in EVERY
        if shape.__module__.rpartition(".")[2] not in JOURNEYS_AND_MAIL
        for key, (_, _, said) in declared(shape).items()
        if not said.rest
    ),
    *((key, str(word)) for key in ("merge", "type") for word in choices(declared(Field)[key][1]) if is_plain(word)),
]
"""Every key of every declaration, and for the choices that matter (key, word)."""


@pytest.fixture(scope="module")
def used() -> Used:
    """What the rules say: (declaration, key), and for choices (key, word)."""
    seen: Used = set()
    plain = Reader.shape

    def shape(self: Reader, node: Any, kind: Any, *more: Any) -> Any:
        entries = getattr(node, "entries", {})
        seen.update((kind.__name__, key) for key in entries)
        seen.update((key, str(getattr(entry, "value", ""))) for key, entry in entries.items())
        return plain(self, node, kind, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reader, "shape", shape)
        assert check(SHIPPED) == []
    return seen


INSTEAD: Final[dict[tuple[str, str], str]] = {
    ("AccountFile", "machines"): "it has a file of its own",
    ("Evidence", "all"): "there is one promotion, and it asks for `at_least`",
    ("Evidence", "any"): "there is one promotion, and it asks for `at_least`",
}
"""What one set of rules cannot show because it says the same in another way."""


@pytest.mark.parametrize("word", [each for each in WORDS if each not in INSTEAD], ids=" ".join)
def test_the_rules_use_every_word(used: Used, word: tuple[str, str]):
    assert word in used, f"rules/ shows `{word[1]}` of {word[0]} nowhere"


def test_what_is_shown_in_another_way_is_a_word(used: Used):
    assert set(INSTEAD) <= set(WORDS)
    assert used.isdisjoint(INSTEAD)


@pytest.mark.parametrize("word", FUNCTIONS)
def test_the_rules_call_every_function(word: str):
    assert re.search(rf"\b{word}\(", TEXT)


@pytest.mark.parametrize("word", sorted(FILTER_NAMES))
def test_the_rules_use_every_filter(word: str):
    assert re.search(rf"\|\s*{word}\b", TEXT)

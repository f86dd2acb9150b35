"""Rule files in, a checked and compiled `Rulebook` out.

bundle = read(Path("rules"), Path("templates"))     # path to text: what is stored and versioned
for problem in check(bundle, installed):            # all findings at once
    print(problem)
rulebook = compile_rulebook(bundle)                 # or RulebookError with the same findings
for example in examples_of(bundle):                 # what the rules say of themselves, to be run as tests
    print(example.name, example.node.place)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.exceptions import RulebookError
from workers.rulebook.bundle import read, shipped, version_of
from workers.rulebook.compiler import compile_bundle
from workers.rulebook.declarations import Example
from workers.rulebook.examples import examples_in
from workers.rulebook.installed import Installed, Mistake
from workers.rulebook.json_schema import schema
from workers.rulebook.problems import Problem, Problems
from workers.rulebook.reference import manual
from workers.rulebook.sarif import to_json, to_sarif
from workers.rulebook.specs import read_specs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.engine.rules import Rulebook

__all__ = [
    "Example",
    "Installed",
    "Mistake",
    "Problem",
    "check",
    "checked",
    "compile_rulebook",
    "examples_of",
    "manual",
    "read",
    "schema",
    "shipped",
    "to_json",
    "to_sarif",
    "version_of",
]


def check(bundle: Mapping[str, str], installed: Installed | None = None) -> list[Problem]:
    """Everything that is wrong with a bundle, by file, line and column; empty if it can be used.

    Args:
        bundle: rule and template files, path to text.
        installed: the adapters that the files may name; without it, names and options of adapters are not looked at.
    """
    return checked(bundle, installed)[1]


def checked(bundle: Mapping[str, str], installed: Installed | None = None) -> tuple[Rulebook | None, list[Problem]]:
    """The rulebook that a bundle says, None if something is wrong with it, and all findings; see `check`."""
    problems = Problems()
    return compile_bundle(bundle, problems, installed), problems.found()


def compile_rulebook(bundle: Mapping[str, str], installed: Installed | None = None) -> Rulebook:
    """The rulebook that a bundle says.

    Args:
        bundle: rule and template files, path to text.
        installed: as in `check`. For files that are to be put in force; a process that runs what is in force goes
            without, because an adapter that is missing closes one source and is no reason to stop the others.

    Raises:
        RulebookError: something is wrong with it; all findings are in `problems`.
    """
    rulebook, found = checked(bundle, installed)
    if rulebook is None:
        raise RulebookError(tuple(found))
    return rulebook


def examples_of(bundle: Mapping[str, str]) -> list[Example]:
    """The examples that stand beside the rules, in the order of files and lines. `example.node.place` tells where."""
    return sorted(examples_in(read_specs(bundle, Problems())), key=lambda example: example.node.place)

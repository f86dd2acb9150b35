"""Findings for machines: plain JSON, and SARIF 2.1.0, which code hosts show on the changed line."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workers.rulebook.problems import Problem

VERSION: Final = "2.1.0"
SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
TOOL: Final = "Dripline"
FINGERPRINT: Final = "dripline/v1"
FINGERPRINT_DIGITS: Final = 32


def to_json(problems: Iterable[Problem], where: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """Findings as plain data.

    Args:
        problems: what `check` found.
        where: a path in the bundle as it is to be told.
    """
    return [
        {
            "file": where(problem.file),
            "line": problem.line,
            "column": problem.column,
            "code": problem.code,
            "text": problem.text,
            "hint": problem.hint,
            "level": problem.level,
        }
        for problem in problems
    ]


def to_sarif(problems: Iterable[Problem], where: Callable[[str], str] = str) -> dict[str, Any]:
    """Findings as a SARIF log with one run; see `to_json` for the arguments. Paths are relative to the repository."""
    found = list(problems)
    codes = sorted({problem.code for problem in found})
    rules = [{"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in codes]
    seen: Counter[str] = Counter()
    results = [result(problem, codes.index(problem.code), where, seen) for problem in found]
    run = {
        "tool": {"driver": {"name": TOOL, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def result(problem: Problem, rule: int, where: Callable[[str], str], seen: Counter[str]) -> dict[str, Any]:
    """One finding; `seen` counts those that say the same of the same file."""
    known_by = fingerprint(problem)
    seen[known_by] += 1
    hint = f"{problem.text}; {problem.hint}" if problem.hint else problem.text
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": problem.level,
        "message": {"text": hint},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(where(problem.file))},
                    "region": {"startLine": problem.line, "startColumn": problem.column},
                }
            }
        ],
        "partialFingerprints": {FINGERPRINT: f"{known_by}:{seen[known_by]}"},
    }


def uri(path: str) -> str:
    """A path as a URI: relative to the repository, or a file's own."""
    return PurePosixPath(path).as_uri() if path.startswith("/") else quote(path)


def fingerprint(problem: Problem) -> str:
    """What a finding is known again by when lines above it come and go."""
    said = f"{problem.file}\n{problem.code}\n{problem.text}"
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:FINGERPRINT_DIGITS]

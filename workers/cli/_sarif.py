"""Findings in SARIF 2.1.0, which code hosts show on the changed line."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from workers.rulebook import Problem

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(problems: Iterable[Problem], on_disk: Callable[[str], str]) -> dict[str, Any]:
    """A SARIF log of one run; `on_disk` says where a file of the bundle lies."""
    found = list(problems)
    rules = [
        {"id": code, "shortDescription": {"text": code.replace("-", " ")}} for code in sorted({p.code for p in found})
    ]
    driver = {"name": "dripline", "version": version("dripline"), "rules": rules}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [result(p, on_disk) for p in found],
            }
        ],
    }


def result(problem: Problem, on_disk: Callable[[str], str]) -> dict[str, Any]:
    """One finding."""
    text = problem.text + (f"; {problem.hint}" if problem.hint else "")
    path = Path(on_disk(problem.file))
    uri = path.as_uri() if path.is_absolute() else path.as_posix()
    region = {"startLine": problem.line, "startColumn": problem.column}
    return {
        "ruleId": problem.code,
        "level": "error",
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}}],
    }

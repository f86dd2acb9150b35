"""Rule files by their JSON Schema, as an editor sees them."""

from __future__ import annotations

from functools import cache

from jsonschema import Draft202012Validator

from workers.rulebook import schema
from workers.rulebook.problems import Problems
from workers.rulebook.yaml12 import read_yaml


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def complaints(path: str, text: str) -> list[str]:
    """What the schema says against a file; nothing for files that are no rules."""
    if not path.startswith("rules/"):
        return []
    node = read_yaml(path, text, Problems())
    plain = None if node is None else node.plain
    return [f"{path}: {error.message[:200]}" for error in validator().iter_errors(plain)]

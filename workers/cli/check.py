"""`dripline check`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli._base import folders, many, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.rulebook import Problem

SECTION = "Rules"


@click.command
@click.argument("rules", type=click.Path(path_type=Path), default="rules")
@click.argument("templates", type=click.Path(path_type=Path), required=False)
@click.option(
    "--format", "how", type=click.Choice(["text", "json", "sarif"]), default="text", help="How findings are printed."
)
@click.option("--strict", is_flag=True, help="Exit code 1 for warnings, too.")
def command(rules: Path, templates: Path | None, how: str, strict: bool) -> int:
    """Find mistakes in rule and template files. Needs no database.

    RULES is the folder of rule files (default: rules), TEMPLATES that of mail templates (default: templates, beside
    the rules). Words, types and names are checked; then every mail is rendered, for a lead of whom only the address is
    known and for one of whom everything is; then the examples beside the rules are run. Every finding names file, line
    and column, says what is wrong and what to do; all of them are shown at once. Exit code 1 if there is one.

    \b
    Examples:
      dripline check
      dripline check marketing/rules --format json
      dripline check --format sarif > findings.sarif     for code hosts that show findings on the changed line
    """
    from workers.cli._checking import check_folders
    from workers.rulebook import to_json, to_sarif, version_of

    rules, mails = folders(rules, templates)

    def where(file: str) -> str:
        return on_disk(file, rules, mails)

    bundle, checked = check_folders(rules, mails)
    found, errors = checked.problems, checked.errors
    version = "" if errors else version_of(bundle)
    if how == "json":
        told = {"version": version or None, "files": len(bundle), "examples": len(checked.runs)}
        print_json({**told, "problems": to_json(found, where)})
    elif how == "sarif":
        click.echo(json.dumps(to_sarif(found, where), indent=2))
    else:
        show(found, rules, mails)
        said = summary(len(bundle), errors, version, len(checked.runs), len(found) - errors)
        click.echo(said, err=bool(errors))
    return 1 if errors or (strict and found) else 0


def show(found: Sequence[Problem], rules: Path, templates: Path) -> None:
    """The findings, one a line."""
    for problem in found:
        click.echo(line(problem, rules, templates))


def line(problem: Problem, rules: Path, templates: Path) -> str:
    """A finding as compilers print it, with the path as it is on disk."""
    return str(problem).replace(problem.file, on_disk(problem.file, rules, templates), 1)


def on_disk(path: str, rules: Path, templates: Path) -> str:
    """Where a file of a bundle lies."""
    for prefix, folder in (("rules/", rules), ("templates/", templates)):
        if path.startswith(prefix):
            file = folder / path.removeprefix(prefix)
            return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)
    return path


def summary(files: int, problems: int, version: str, examples: int = 0, warnings: int = 0) -> str:
    """The last line."""
    more = f" {many(warnings, 'warning')}." if warnings else ""
    if problems:
        return f"{many(problems, 'problem')} found.{more}"
    held = f" {examples} example{'s hold' if examples != 1 else ' holds'}." if examples else ""
    return f"{many(files, 'file')}, no problems. Version {version[:12]}.{held}{more}"

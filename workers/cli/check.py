"""`dripline check`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workers.cli._base import folders, print_json
from workers.exceptions import RulebookError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.rulebook import Problem

SECTION = "Rules"


@click.command
@click.argument("rules", type=click.Path(path_type=Path), default="rules")
@click.argument("templates", type=click.Path(path_type=Path), required=False)
@click.option("--format", "how", type=click.Choice(["text", "json"]), default="text", help="How findings are printed.")
def command(rules: Path, templates: Path | None, how: str) -> int:
    """Find mistakes in rule and template files. Needs no database.

    RULES is the folder of rule files (default: rules), TEMPLATES that of mail templates (default: templates, beside
    the rules). Every finding names file, line and column. Exit code 1 if there is one.

    \b
    Examples:
      dripline check
      dripline check marketing/rules --format json
    """
    from workers.adapters import installed
    from workers.rulebook import check, read, version_of

    rules, templates = folders(rules, templates)
    try:
        bundle = read(rules, templates)
        found: Sequence[Problem] = check(bundle, installed())
    except RulebookError as error:
        bundle, found = {}, error.problems  # type: ignore[assignment]
    if how == "json":
        data = [asdict(problem) | {"file": on_disk(problem.file, rules, templates)} for problem in found]
        print_json({"version": None if found else version_of(bundle), "files": len(bundle), "problems": data})
    else:
        for problem in found:
            click.echo(line(problem, rules, templates))
        click.echo(summary(len(bundle), len(found), "" if found else version_of(bundle)), err=bool(found))
    return 1 if found else 0


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


def summary(files: int, problems: int, version: str) -> str:
    """The last line."""
    if problems:
        return f"{problems} problem{'s' if problems != 1 else ''} found."
    return f"{files} files, no problems. Version {version[:12]}."

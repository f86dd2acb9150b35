"""`dripline test`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, folders, print_json
from workers.cli.check import on_disk, show, summary
from workers.exceptions import RulebookError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from workers.simulate.examples import Run

SECTION = "Rules"


@click.command
@click.argument("rules", type=click.Path(path_type=Path), default="rules")
@click.argument("templates", type=click.Path(path_type=Path), required=False)
@click.option("-k", "words", default="", help="Only examples whose name or file contains this.")
@click.option("-v", "--verbose", is_flag=True, help="Tell the story of those that hold, too.")
@as_json
def command(rules: Path, templates: Path | None, words: str, verbose: bool, as_json: bool) -> int:
    """Run the examples beside the rules, each on a virtual clock. Needs no database.

    One line for each; under one that fails, what is other than expected and everything that was decided on the way,
    with the time since its beginning. Exit code 1 if one fails, or if the rules have mistakes (see `dripline check`).

    \b
    Examples:
      dripline test
      dripline test -k promotion -v
    """
    from workers.rulebook import compile_rulebook, examples_of, read
    from workers.simulate.examples import run_examples

    rules, templates = folders(rules, templates)
    try:
        bundle = read(rules, templates)
        rulebook = compile_rulebook(bundle)
    except RulebookError as error:
        show(error.problems, rules, templates)  # type: ignore[arg-type]
        click.echo(summary(0, len(error.problems), "") + " No example was run.", err=True)
        return 1
    chosen = [each for each in examples_of(bundle) if words.lower() in f"{each.node.place.file} {each.name}".lower()]
    runs = run_examples(chosen, rulebook)
    failed = [run for run in runs if run.differences]
    if as_json:
        print_json([as_data(run, lambda file: on_disk(file, rules, templates)) for run in runs])
        return 1 if failed else 0
    for run in runs:
        tell(run, lambda file: on_disk(file, rules, templates), verbose=verbose)
    click.echo(last_line(runs, failed, words), err=bool(failed))
    return 1 if failed else 0


def tell(run: Run, where: Callable[[str], str], *, verbose: bool) -> None:
    """One example for a person."""
    word = click.style("failed", fg="red") if run.differences else click.style("holds ", fg="green")
    click.echo(f"{word}  {where(run.place.file)}:{run.place.line}  {run.name}")
    for each in run.differences:
        click.echo(f"        line {each.place.line}: {each.text}")
        if each.hint:
            click.echo(f"          {each.hint}")
    if verbose or run.differences:
        for line in run.story:
            click.echo(f"        {line}")


def as_data(run: Run, where: Callable[[str], str]) -> dict[str, Any]:
    """One example as JSON-ready data."""
    return {
        "name": run.name,
        "file": where(run.place.file),
        "line": run.place.line,
        "holds": not run.differences,
        "differences": [{"line": each.place.line, "text": each.text, "hint": each.hint} for each in run.differences],
        "story": list(run.story),
    }


def last_line(runs: Sequence[Run], failed: Sequence[Run], words: str) -> str:
    """How many, and how many of them fail."""
    if not runs:
        return f"No example's name or file contains “{words}”." if words else "The rules have no examples yet."
    return f"{len(runs)} example{'s' if len(runs) != 1 else ''}, " + (
        f"{len(failed)} failed: {'; '.join(run.name for run in failed)}." if failed else "all hold."
    )

"""`dripline init`"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

SECTION = "Start"
FOLDERS: Final = ("rules", "templates")


@click.command
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--company", default="Example Ltd", show_default=True, help="Its name.")
@click.option(
    "--sender",
    default="Example <hello@company.example>",
    show_default=True,
    help="Who mails come from; NAME <ADDRESS>.",
)
@click.option("--address", default="1 Main Street, Town, Country", show_default=True, help="The postal address.")
@click.option("--zone", default="Europe/Berlin", show_default=True, help="The time zone that you work in.")
def command(folder: Path, company: str, sender: str, address: str, zone: str) -> None:
    """Write a small set of rules and a mail to begin with, commented and without a mistake.

    FOLDER is made if it is missing; nothing in it is overwritten. What is written scores interest by two forms and a
    page, knows five stages, and welcomes whoever joins the newsletter.

    \b
    Examples:
      dripline init
      dripline init acme --company "Acme Ltd" --sender "Ann at Acme <ann@acme.example>"
    """
    files = starter({"company": company, "sender": sender, "address": address, "zone": zone})
    there = [name for name in FOLDERS if (folder / name).exists()]
    if there:
        raise click.ClickException(
            f"{folder / there[0]} is there already, and nothing is overwritten; name a folder: dripline init FOLDER"
        )
    refuse_mistakes(files)
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        click.echo(f"  {target}")
    here = "" if folder == Path() else f"  cd {folder}\n"
    click.echo(f"\nNext:\n{here}  dripline check        after every change\n  dripline dev          runs it here")


def starter(values: Mapping[str, str]) -> dict[str, str]:
    """The files by path, with these values where the files of the package have `{{ name }}` for them."""
    from workers.rulebook import read

    root = Path(__file__).parents[1] / "starter"
    files = read(root / "rules", root / "templates")
    account = files["rules/account.yaml"]
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    return files | {"rules/account.yaml": re.sub(r"{{ (\w+) }}", lambda mark: quoted[mark[1]], account)}


def refuse_mistakes(files: Mapping[str, str]) -> None:
    """Say what is wrong with a value that was given, before anything is written.

    Raises:
        RulebookError: a zone that there is not, an address that is none.
    """
    from workers.adapters import installed
    from workers.rulebook import compile_rulebook

    compile_rulebook(files, installed())

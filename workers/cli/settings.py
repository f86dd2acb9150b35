"""`dripline settings`"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, print_json, table
from workers.cli._base import settings as load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.config import Settings

SECTION = "Settings"
HIDDEN = "•••"


@click.command
@as_json
def command(as_json: bool) -> None:
    """List every setting: its variable, value, default, and what it is for. Secrets are not shown.

    A value is set by its environment variable, or by NAME_FILE, the path of a file that holds it.
    """
    from integrations import discovery

    loaded = load()
    rows = [*own(loaded), *of_adapters(loaded)]
    if as_json:
        print_json(rows)
        return
    columns = ("variable", "value", "default", "says")
    table(columns, [[row[name] for name in columns] for row in rows], empty="")
    names = sorted(name for kind in discovery.KINDS for name in discovery.names(kind))
    for name, near in loaded.strays(names).items():
        hint = f"; did you mean {near}?" if near else " (unless a source of your rules is called so)"
        click.echo(f"Nothing here uses {name}{hint}", err=True)


def own(loaded: Settings) -> Iterator[dict[str, Any]]:
    """The program's own settings."""
    from workers.config import settings_fields, spelled, variable

    for each in settings_fields():
        value = getattr(loaded, each.name)
        yield {
            "variable": variable(each.name),
            "value": HIDDEN if each.metadata["secret"] and value != each.default else spelled(value),
            "default": spelled(each.default),
            "says": each.metadata["says"],
        }


def of_adapters(loaded: Settings) -> Iterator[dict[str, Any]]:
    """The settings of the e-mail provider (of each, if none is chosen), of every CRM and of every hook, by variable."""
    from integrations import discovery
    from workers.config import spelled

    others: tuple[discovery.Kind, ...] = ("crm", "hooks")
    kinds = [(kind, name) for kind in others for name in discovery.names(kind)]
    providers = [loaded.email] if loaded.email else discovery.names("email")
    for kind, name in [*(("email", name) for name in providers), *kinds]:
        cls = discovery.adapter(kind, name)
        for each in fields(cls):
            if each.init and str(each.type) in discovery.READERS:
                variable = discovery.variable(name, each.name)
                value = loaded.adapters.get(variable, "")
                needed = each.default is MISSING and variable != "DRIPLINE_MAILBOX_FOLDER"  # lies in the data folder
                yield {
                    "variable": variable,
                    "value": HIDDEN if value and not each.repr else value,
                    "default": "(needed)" if needed else "" if each.default is MISSING else spelled(each.default),
                    "says": said(cls, each.name),
                }


def said(cls: type, field: str) -> str:
    """What the adapter's own documentation says about a setting, its first sentence."""
    lines = [line.strip() for line in (cls.__doc__ or "").splitlines()]
    told = next((line for line in lines if field in line.partition(": ")[0].split(", ")), "")
    return f"{cls.__module__.rpartition('.')[2]}: {told.partition(': ')[2] or field.replace('_', ' ')}"

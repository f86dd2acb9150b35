"""`dripline settings`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, print_json, table
from workers.cli._base import settings as load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from workers.config import Settings
    from workers.engine.rules import Rulebook

SECTION = "Settings"
HIDDEN = "•••"
OWN = "standard"  # a source of one's own, which goes by a name of one's own


@click.command
@as_json
def command(as_json: bool) -> None:
    """List every setting: its variable, value, default, and what it is for. Secrets are not shown.

    A value is set by its environment variable, or by NAME_FILE, the path of a file that holds it.
    """
    from integrations import discovery

    loaded = load()
    rulebook = rules_of(loaded)
    declared = sources(rulebook)
    rows = [*own(loaded), *of_adapters(loaded, declared, senders(loaded, rulebook))]
    if as_json:
        print_json(rows)
        return
    columns = ("variable", "value", "default", "says")
    table(columns, [[row[name] for name in columns] for row in rows], empty="")
    names = {name for kind in discovery.KINDS for name in discovery.names(kind)} | declared.keys()
    for name, near in loaded.strays(sorted(names)).items():
        hint = f"; did you mean {near}?" if near else ""
        click.echo(f"Nothing here uses {name}{hint}", err=True)


def rules_of(loaded: Settings) -> Rulebook | None:
    """The rules in force, or those in this folder; None if there are none."""
    from workers.exceptions import DriplineError
    from workers.rulebook import compile_rulebook, read

    for files in (in_force, lambda _: read(Path("rules"), Path("templates"))):
        try:
            return compile_rulebook(files(loaded))
        except (DriplineError, OSError):
            continue
    return None


def sources(rulebook: Rulebook | None) -> dict[str, str]:
    """Adapter by name of every webhook source of the rules, or else every kind."""
    from integrations import discovery

    if rulebook:
        return {name: spec.adapter for name, spec in rulebook.sources.items()}
    return {name: name for name in discovery.names("sources") if name != OWN}


def senders(loaded: Settings, rulebook: Rulebook | None) -> Sequence[str]:
    """Who sends mail, by the settings and the rules; of those that there are, each, if nobody is chosen."""
    from integrations import discovery
    from workers.adapters import Adapters
    from workers.clock import system_clock
    from workers.rulebook.installed import adapter_of

    routes = rulebook.sending.routes if rulebook else ()
    chosen = Adapters(loaded, system_clock).routes(routes).providers if loaded.email else discovery.names("email")
    return [name for name in chosen if adapter_of(name, discovery.names("email"))]


def in_force(loaded: Settings) -> Mapping[str, str]:
    """The files of the rulebook in force.

    Raises:
        DriplineError: there is no database, it is away or has no tables, or no rulebook.
    """
    from workers.cli._base import database_url
    from workers.store import rulebooks
    from workers.store.database import connect, transaction

    engine = connect(database_url(loaded), size=1)
    try:
        with transaction(engine) as conn:
            return rulebooks.files(conn, rulebooks.active(conn).version)
    finally:
        engine.dispose()


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


def of_adapters(loaded: Settings, declared: Mapping[str, str], senders: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The settings of the adapters in use, by variable.

    Of the e-mail providers, of the mailbox looked into, of every CRM and outgoing webhook, and of the webhook sources.
    """
    from integrations import discovery
    from workers.rulebook.installed import adapter_of

    chosen: dict[discovery.Kind, Sequence[str]] = {
        "email": senders,
        "inbound": [loaded.inbound] if loaded.inbound else (),
        "crm": discovery.names("crm"),
        "hooks": discovery.names("hooks"),
    }
    for kind, names in chosen.items():
        for name in names:
            yield from of_adapter(
                loaded, discovery.adapter(kind, adapter_of(name, discovery.names(kind)) or name), name
            )
    for name, adapter in declared.items():
        yield from of_adapter(loaded, discovery.adapter("sources", adapter), name)


def of_adapter(loaded: Settings, cls: type, name: str) -> Iterator[dict[str, Any]]:
    """The settings of one adapter, under the name that it goes by here."""
    from workers.cli._adapters import settings_of

    for each in settings_of(cls, name):
        value = loaded.adapters.get(each["variable"], "")
        yield {
            "variable": each["variable"],
            "value": HIDDEN if value and each["secret"] else value,
            "default": each["default"],
            "says": f"{name}: {each['says']}",
        }

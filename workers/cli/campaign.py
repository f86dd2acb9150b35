"""`dripline campaign`"""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workers.cli._base import as_json, local, now, print_json, rulebook_of, store, table
from workers.exceptions import NoSuchCampaign

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import Connection

    from workers.engine.rules import Rulebook

SECTION = "Look and act"
BY = click.option("--author", default="", help="Who; default: the name you are logged in under.")


class Length(click.ParamType["timedelta"]):
    """A length of time on the command line: `2h`, `90 minutes`."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        from workers.engine.expressions.durations import parse_duration

        found = parse_duration(str(value))
        return found if found is not None else self.fail(f"{value!r} is no time such as 2h or 90 minutes", param, ctx)


@click.group
def command() -> None:
    """See how campaigns are doing, stop one, and let it go on.

    A campaign that is paused lets people in and notices what they do: exits and goals act at once, and waits end as
    ever. It does nothing else: nobody is mailed, and whoever comes to a step is held there. One that has `pause_when`
    may have paused itself.
    """


@command.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List all campaigns: who is in them, and what they came to."""
    from workers.reports.campaigns import overview
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        found = overview(conn, rulebook_of(conn))
    if as_json:
        print_json([each.as_data() for each in found])
        return
    columns = ("campaign", "state", "under way", "entered", "mails", "goal", "since")
    shown = [
        (each.name, each.state, f"{each.under_way:,}", f"{each.entered:,}", f"{each.sent:,}",
         "" if each.goal is None else f"{each.goal:,}", local(each.since))
        for each in found
    ]  # fmt: skip
    table(columns, shown, empty="The rules in force have no campaigns.")


@command.command
@click.argument("name")
@click.option("--mermaid", is_flag=True, help="Print it as a Mermaid flow chart.")
@click.option("--svg", type=click.Path(path_type=Path, dir_okay=False), help="Draw it into this file.")
@as_json
def show(name: str, svg: Path | None, *, mermaid: bool, as_json: bool) -> None:
    """Show a campaign: who waits at which step, what has happened there, and whether it reaches its goal.

    Counted are runs: somebody who enters twice counts twice. A run that waits is shown at the step that comes next.
    What is known of mails (opened, clicked, bounced, …) counts once a mail, on the day on which it was sent; opens and
    clicks by machines do not. Where people are held out, the goal is compared with theirs; bounds hold what is true 19
    times of 20.

    \b
    Examples:
      dripline campaign show welcome
      dripline campaign show welcome --svg welcome.svg
      dripline campaign show welcome --mermaid >> README.md
    """
    from workers.cli import _campaign
    from workers.reports import mermaid as chart
    from workers.reports import progress
    from workers.reports import svg as picture
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        found = progress.read(conn, name, known(conn, name), now())
    if svg is not None:
        svg.write_text(picture.svg(found), encoding="utf-8")
    if mermaid:
        click.echo(chart.mermaid(found), nl=False)
    elif as_json:
        print_json(found.as_data())
    elif svg is None:
        _campaign.show(found)


@command.command
@click.argument("name")
@click.option("--reason", required=True, help="Why, in a sentence; kept, and shown to whoever asks.")
@BY
@as_json
def pause(name: str, reason: str, author: str, as_json: bool) -> None:
    """Pause a campaign: from the next moment on nothing goes out, and whoever falls due is held.

    \b
    Example:
      dripline campaign pause welcome --reason "the case study is wrong"
    """
    from workers import steering
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        known(conn, name)
        changed = steering.pause(conn, name, steering.By(author or getpass.getuser(), reason, now()))
    if as_json:
        print_json({"campaign": name, "paused": True, "changed": changed})
    else:
        click.echo(f"{name} is paused now." if changed else f"{name} is paused already: dripline campaign show {name}")


@command.command
@click.argument("name")
@click.option("--over", type=Length(), help="Spread those who were held over this time; default: 1,000 a minute.")
@click.option("--reason", default="", help="Why, in a sentence.")
@BY
@as_json
def resume(name: str, over: timedelta | None, reason: str, author: str, as_json: bool) -> None:
    """Let a paused campaign go on, everybody where they were.

    Those whom the pause has held go on one after the other. Whatever made a campaign pause itself is not held against
    it any more; what happens from now on is.

    \b
    Example:
      dripline campaign resume welcome --over 2h
    """
    from workers import steering
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        known(conn, name)
        decision = steering.resume(conn, name, steering.By(author or getpass.getuser(), reason, now()), over)
    detail = decision.detail if decision else {"held": 0, "over_s": 0}
    if as_json:
        data = {"held": detail["held"], "over_s": detail["over_s"]}
        print_json({"campaign": name, "paused": False, "changed": decision is not None, **data})
    elif decision is None:
        click.echo(f"{name} is not paused.")
    else:
        click.echo(f"{name} goes on{held(detail['held'], detail['over_s'])}.")


def held(number: int, seconds: float) -> str:
    """How those go on whom a pause has held."""
    from datetime import timedelta

    if not number:
        return "; nobody was held"
    who = "1 person who was held goes" if number == 1 else f"{number:,} people who were held go"
    length = timedelta(seconds=round(seconds))
    return f"; {who} on " + (f"within {length}" if length else "at once")


def known(conn: Connection, name: str) -> Rulebook:
    """The rules in force, if somebody has ever heard of that campaign.

    Raises:
        NoSuchCampaign: they have not.
    """
    from workers.store import enrolments
    from workers.text import suggestion

    rulebook = rulebook_of(conn)
    if name not in rulebook.campaigns and not enrolments.knows(conn, name):
        near = suggestion(name, rulebook.campaigns)
        raise NoSuchCampaign(f"there is no campaign {name}" + (f"; {near}" if near else ""))
    return rulebook

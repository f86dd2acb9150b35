"""A mail of the files in this folder, to be looked at or to be sent to oneself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from workers.cli._base import folders, settings, store
from workers.cli._samples import full
from workers.text import some, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from integrations.contracts import Mail
    from workers.config import Settings
    from workers.delivery.templates import Rendered
    from workers.engine.rules import Route, Rulebook
    from workers.rulebook import Problem
    from workers.rulebook.sandbox import Stands

NOBODY: Final = 0
"""No lead has this id: whoever tries the links of such a mail unsubscribes nobody."""
TOPIC: Final = "newsletter"
"""What the link to confirm is about, in mails that have one."""
SAMPLE: Final = "a sample lead"


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What says which mail: the template, the files, and whose mail it is."""
    path = click.Path(path_type=Path)
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    for option in (
        click.option("--templates", type=path, help="The folder of templates (default: templates, beside the rules)."),
        click.option("--rules", type=path, default="rules", help="The folder of rule files (default: rules)."),
        click.option("--with", "fields", type=file, help="A YAML or JSON file with the lead's fields."),
        click.option("--lead", "email", default="", help="A lead of the database, by its address."),
        click.option(
            "--segment", "segments", multiple=True, help="A segment that the lead shall be in. May be repeated."
        ),
        click.argument("template"),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which mail, as the command line says it."""

    template: str
    email: str
    fields: Path | None
    rules: Path
    templates: Path | None
    segments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A mail and what it was made of.

    Attributes:
        whose: in words.
        late: why its HTML is worked on for every mail anew; empty if it is not.
        findings: what `check` finds in its files.
        routes: who sends which mail, by the rules.
    """

    mail: Mail
    words: Rendered
    whose: str
    late: str
    findings: tuple[Problem, ...]
    routes: tuple[Route, ...]


def make(wanted: Wanted, *, to: str = "", subject: str = "{}") -> Made:
    """The mail for a lead of the database, for the fields in a file, or else for one of whom everything is known.

    Args:
        wanted: which mail.
        to: who gets it; empty for the lead.
        subject: a frame for the subject.

    Raises:
        ClickException: the rules are no rules, there is no such template or lead, or the file holds no fields.
        RenderError: the mail cannot be made for this lead.
    """
    from workers.delivery.compose import Composer, Links

    rulebook = compiled(wanted)
    whose, lead, state = lead_of(wanted, rulebook)
    loaded = settings()
    silent = replace(rulebook, tracking=replace(rulebook.tracking, clicks=False, opens=False))
    composer = Composer(silent, Links(public_url(loaded), secret(loaded)))
    key = f"mail:{NOBODY}:{campaign_of(wanted.template, rulebook)}:test-{secrets.token_hex(8)}"
    stands = Inside(composer.standing(state), wanted.segments) if composer.asks(wanted.template) else None
    words = composer.words(key, NOBODY, wanted.template, lead, TOPIC, stands=stands)
    mail = composer.finish(key, NOBODY, words, lead["email"])
    page = composer.template(wanted.template).page
    return Made(
        mail=replace(mail, to=to or mail.to, subject=subject.format(mail.subject)),
        words=words,
        whose=whose,
        late=page.late if page else "",
        findings=findings(wanted.template, rulebook),
        routes=rulebook.sending.routes,
    )


def compiled(wanted: Wanted) -> Rulebook:
    """The rules, if they are some and have the template."""
    from workers.exceptions import RulebookError
    from workers.rulebook import compile_rulebook, read
    from workers.rulebook.templates import mail_names

    try:
        rulebook = compile_rulebook(read(*folders(wanted.rules, wanted.templates)))
    except RulebookError as error:
        raise click.ClickException(f"the files have mistakes (see dripline check):\n{error}") from error
    names = mail_names(rulebook.templates)
    if wanted.template not in names:
        hint = suggestion(wanted.template, names) or f"there are {', '.join(sorted(names))}"
        raise click.ClickException(f"there is no mail {wanted.template!r}; {hint}")
    for name in wanted.segments:
        if name not in rulebook.segments:
            several = "give --segment once for each; " if "," in name else ""
            hint = several + (suggestion(name, rulebook.segments) or some(rulebook.segments))
            raise click.ClickException(f"there is no segment {name!r}; {hint}")
    return rulebook


class Inside:
    """Where a lead stands, in some segments whatever else is known of it.

    Args:
        stands: where it stands in truth.
        segments: their names.
    """

    def __init__(self, stands: Stands, segments: Collection[str]) -> None:
        self._segments = segments
        self._stands = stands
        self.stage, self.score, self.band, self.grade = stands.stage, stands.score, stands.band, stands.grade

    def segment(self, name: str) -> bool:
        """See `Stands`."""
        return name in self._segments or self._stands.segment(name)


def campaign_of(template: str, rulebook: Rulebook) -> str:
    """The first campaign that sends the mail, which its links are counted for; empty for none."""
    campaigns = rulebook.campaigns.values()
    sends = (each.name for each in campaigns for step in each.steps if getattr(step, "send", None) == template)
    return next(sends, "")


def lead_of(wanted: Wanted, rulebook: Rulebook) -> tuple[str, dict[str, Any], Mapping[str, Any]]:
    """Whose mail it is, that lead's fields, and its state: a lead of no database has just begun."""
    from workers.engine.values import LeadState

    if wanted.email:
        return wanted.email, *of_database(wanted.email)
    whose, fields = SAMPLE, full(rulebook)
    if wanted.fields:
        whose, fields = str(wanted.fields), {"email": fields["email"], **of_file(wanted.fields, rulebook.fields)}
    first = next((stage.name for stage in rulebook.stages), "")
    return whose, fields, LeadState(fields=fields, stage=first).dump()


def of_database(email: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The fields of a lead, and its state."""
    from integrations.addresses import one_spelling
    from workers.store import leads
    from workers.store.database import transaction

    with store() as engine, transaction(engine) as conn:
        lead = leads.find(conn, f"email:{one_spelling(email)}")
    if lead is None:
        raise click.ClickException(f"nobody is known as {email}")
    return {**lead.state.get("fields", {}), "email": lead.email or email}, lead.state


def of_file(path: Path, known: Mapping[str, object]) -> dict[str, Any]:
    """The fields that a file says; those that nobody declared are mistakes."""
    from workers.rulebook.nodes import Mapped
    from workers.rulebook.problems import Problems
    from workers.rulebook.yaml12 import read_yaml

    problems = Problems()
    node = read_yaml(str(path), path.read_text("utf-8"), problems)
    if problems or not isinstance(node, Mapped):
        said = "; ".join(map(str, problems.found())) or f"{path}: no fields; write one a line, like first_name: Ann"
        raise click.ClickException(said)
    names = {"email", *known}
    for name in node.entries:
        if name not in names:
            raise click.ClickException(f"{node.keys[name]}: the lead has no field `{name}`; {suggestion(name, names)}")
    return dict(node.plain)


def findings(template: str, rulebook: Rulebook) -> tuple[Problem, ...]:
    """What `check` finds in the template's own files."""
    from workers.cli._checking import questionable

    return tuple(sorted(each for each in questionable(rulebook) if each.file.startswith(f"templates/{template}/")))


def public_url(loaded: Settings) -> str:
    """Where links to us lead: to the `dripline dev` of this folder, if one runs."""
    from workers.dev.folder import Folder

    return Folder(loaded.data_dir).url() or loaded.public_url


def secret(loaded: Settings) -> str:
    """What links are signed with; made up where nothing is configured, and then they lead nowhere."""
    from workers.dev.folder import LINKS, Folder

    return loaded.secret or Folder(loaded.data_dir).secrets().get(LINKS) or secrets.token_urlsafe(32)

"""Everything that `check` looks at: the rules themselves, the mails as they render, and the examples as they run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.cli._samples import Everywhere, Nowhere, bare, full
from workers.exceptions import RenderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from workers.engine.rules import Rulebook
    from workers.rulebook import Problem
    from workers.simulate.examples import Run

WHERE: Final = re.compile(
    r"(?P<file>[^,:]+?)(?: \((?P<line_of>subject|preheader)\))?(?:, line (?P<line>\d+))?: (?P<text>.*)", re.DOTALL
)
"""How delivery says where a template failed."""
MAY_FOLLOW: Final = ("unknown-", "missing-file")
"""Codes of findings that may follow from a file that cannot be read."""
UNSUBSCRIBE: Final = "https://acme.test/unsubscribe"
LINKS: Final = {
    "unsubscribe_url": UNSUBSCRIBE,
    "preferences_url": "https://acme.test/preferences",
}
"""Where every mail may lead."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What checking a bundle found.

    Attributes:
        rulebook: None if the rules cannot be compiled; then nothing is rendered or run.
        problems: all findings, warnings among them, by place.
        runs: of the examples.
    """

    rulebook: Rulebook | None
    problems: Sequence[Problem]
    runs: Sequence[Run] = ()

    @property
    def errors(self) -> int:
        """How many findings have to be mended."""
        return sum(problem.level == "error" for problem in self.problems)


def check_folders(rules: Path, templates: Path) -> tuple[dict[str, str], Checked]:
    """Check the files of two folders; those that cannot be read do not hide what is wrong with the others."""
    from workers.rulebook.bundle import read_what_can_be_read
    from workers.rulebook.problems import Problems

    unread = Problems()
    bundle = read_what_can_be_read(rules, templates, unread)
    checked = check_all(bundle)
    if not unread:
        return bundle, checked
    rest = [each for each in checked.problems if not each.code.startswith(MAY_FOLLOW)]
    return bundle, Checked(None, sorted([*unread.found(), *rest]), checked.runs)


def check_all(bundle: Mapping[str, str]) -> Checked:
    """Check rules, mails and examples. Needs no database."""
    from workers.adapters import installed
    from workers.cli._missing import missing
    from workers.rulebook import checked, examples_of
    from workers.simulate.examples import run_examples

    rulebook, found = checked(bundle, installed())
    if rulebook is None:
        return Checked(None, found)
    runs = run_examples(examples_of(bundle), rulebook)
    uses = [*missing(rulebook, users(rulebook))]
    known = {(use.file, use.line) for use in uses}  # the place tells more than a sample lead that fails there
    failed = [each for each in rendered(rulebook) if (each.file, each.line) not in known]
    looked_at = [*broken(rulebook), *questionable(rulebook)]
    found += [*uses, *failed, *looked_at, *(problem for run in runs for problem in run.problems())]
    return Checked(rulebook, sorted(found), runs)


# ── mails ────────────────────────────────────────────────────────────────────────────────────────────────────


def broken(rulebook: Rulebook) -> Iterator[Problem]:
    """Mails that nobody can ever get, because their markup is none."""
    from workers.delivery.templates import Templates
    from workers.rulebook.problems import Problem
    from workers.rulebook.templates import mail_names

    templates = Templates(rulebook.templates, rulebook.account.site)
    for name in sorted(mail_names(rulebook.templates)):
        try:
            templates.mail(name)
        except RenderError as error:
            match = WHERE.match(str(error))
            file, line, text = (match["file"], match["line"], match["text"]) if match else ("", 1, str(error))
            yield Problem(f"templates/{file}", int(line or 1), 1, "bad-markup", text, "correct the markup there")


def rendered(rulebook: Rulebook) -> Iterator[Problem]:
    """What goes wrong when mails and notes are rendered: for a lead of whom little is known, and of whom all is."""
    from workers.delivery.templates import Templates
    from workers.rulebook.sandbox import Fields, answers

    templates = Templates(rulebook.templates, rulebook.account.site)
    unusable = {problem.file.removeprefix("templates/").rpartition("/")[0] for problem in broken(rulebook)}
    account = Fields("account", rulebook.account.words)
    nothing, everything = (bare(), Nowhere(rulebook)), (full(rulebook), Everywhere(rulebook))
    for (lead, stands), known in ((nothing, "nothing but the address"), (everything, "everything")):
        values = {"lead": Fields("lead", lead), "account": account, **LINKS, **answers(stands)}
        for name, used in mails(rulebook).items():
            if name in unusable:
                continue
            yield from tried(lambda name=name, values=values: templates.render(name, values), rulebook, known, used)  # type: ignore[misc]
        if rulebook.promotion and (note := rulebook.promotion.note):
            facts = values | {"scores": standing(rulebook), "segments": list(rulebook.segments)}
            facts |= {"evidence": evidence(rulebook), "recent": RECENT}
            yield from tried(lambda note=note, facts=facts: templates.note(note, facts), rulebook, known, HANDED)  # type: ignore[misc]


def questionable(rulebook: Rulebook) -> Iterator[Problem]:
    """What would be right to the machine and wrong to a reader, a filter or the law; in mails nobody sends yet, too."""
    from workers.delivery.review import Seen, review
    from workers.delivery.templates import Templates
    from workers.rulebook.mail.lint import Known, lint
    from workers.rulebook.sandbox import Fields, answers
    from workers.rulebook.templates import mail_names

    account = rulebook.account
    types = {name: field.type for name, field in rulebook.fields.items()} | {"email": "email"}
    yield from lint(rulebook.templates, Known(types, rulebook.campaigns, account.site))
    templates = Templates(rulebook.templates, account.site)
    values = {"account": Fields("account", account.words), **LINKS, **answers(Everywhere(rulebook))}
    for name in sorted(mail_names(rulebook.templates)):
        try:
            seen = templates.render(name, {**values, "lead": Fields("lead", full(rulebook))})
        except RenderError:  # which `rendered` tells, if anybody is to get it
            continue
        yield from review(Seen(templates.mail(name), seen, UNSUBSCRIBE, account.address))


HANDED: Final = "the rules of promotion hand it over"


def users(rulebook: Rulebook) -> dict[str, str]:
    """The mails and notes that go out, and who sends each."""
    note = {rulebook.promotion.note: HANDED} if rulebook.promotion and rulebook.promotion.note else {}
    return mails(rulebook) | note


def mails(rulebook: Rulebook) -> dict[str, str]:
    """The templates that campaigns send, and who sends each."""
    users: dict[str, list[str]] = {}
    for campaign in rulebook.campaigns.values():
        for step in campaign.steps:
            if template := getattr(step, "send", None):
                users.setdefault(template, []).append(f"{campaign.name}.{step.id}")
    return {template: f"sent by {', '.join(steps)}" for template, steps in sorted(users.items())}


def standing(rulebook: Rulebook) -> dict[str, dict[str, Any]]:
    """Scores and bands as a hand-off note gets them."""
    return {
        name: {"score": 42.5, "band": model.bands[-1].name if model.bands else None}
        for name, model in rulebook.models.items()
    }


def evidence(rulebook: Rulebook) -> dict[str, bool]:
    """Evidence as a hand-off note gets it."""
    return dict.fromkeys(rulebook.promotion.evidence if rulebook.promotion else (), True)


RECENT: Final = [{"at": "2026-03-02T09:00:00+00:00", "type": "form.submitted", "points": 40.0}]


def tried(render: Callable[[], object], rulebook: Rulebook, known: str, used: str) -> Iterator[Problem]:
    """The finding, if rendering fails."""
    try:
        render()
    except RenderError as error:
        yield finding(str(error), rulebook, known, used)


def finding(said: str, rulebook: Rulebook, known: str, used: str) -> Problem:
    """What delivery said, at its place in the template."""
    from workers.rulebook.problems import Problem

    match = WHERE.match(said)
    file = f"templates/{match['file']}" if match else "templates"
    line = int(match["line"] or 1) if match else 1
    if match and match["line_of"]:
        line = line_of(match["line_of"], rulebook.templates.get(file, ""))
    text, _, hint = (match["text"] if match else said).partition("; ")
    hint = hint or "correct it, or put {% if … %} around it"
    return Problem(file, line, 1, "template-value", f"with {known} known of the lead, {text} ({used})", hint)


def line_of(key: str, text: str) -> int:
    """The line in which a key of the front matter stands."""
    return next((n for n, line in enumerate(text.splitlines(), 1) if line.startswith(f"{key}:")), 1)

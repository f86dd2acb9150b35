"""Everything that `check` looks at: the rules themselves, the mails as they render, and the examples as they run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.exceptions import RenderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from workers.engine.rules import Rulebook
    from workers.rulebook import Problem
    from workers.simulate.examples import Run

WHERE: Final = re.compile(
    r"(?P<file>[^,:]+?)(?P<subject> \(subject\))?(?:, line (?P<line>\d+))?: (?P<text>.*)", re.DOTALL
)
"""How delivery says where a template failed."""
SAMPLES: Final[Mapping[str, Any]] = {
    "text": "Ann", "integer": 42, "decimal": 42.5, "money": 1200.5, "boolean": True, "date": "2026-03-02",
    "datetime": "2026-03-02T09:00:00+00:00", "country": "DE", "zone": "Europe/Berlin", "email": "ann@acme.test",
    "url": "https://acme.test/", "list": ["Ann"],
}  # fmt: skip
"""A value of each type of field."""
MAY_FOLLOW: Final = ("unknown-", "missing-file")
"""Codes of findings that may follow from a file that cannot be read."""
ADDRESS: Final = "ann@acme.test"
UNSUBSCRIBE: Final = "https://acme.test/unsubscribe"


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
    found += [*uses, *failed, *(problem for run in runs for problem in run.problems())]
    return Checked(rulebook, sorted(found), runs)


# ── mails ────────────────────────────────────────────────────────────────────────────────────────────────────


def rendered(rulebook: Rulebook) -> Iterator[Problem]:
    """What goes wrong when mails and notes are rendered: for a lead of whom little is known, and of whom all is."""
    from workers.delivery.templates import Fields, Templates

    templates = Templates(rulebook.templates, rulebook.account.site)
    account = Fields("account", rulebook.account.words)
    for lead, known in ((bare(), "nothing but the address"), (full(rulebook), "everything")):
        values = {"lead": Fields("lead", lead), "account": account, "unsubscribe_url": UNSUBSCRIBE}
        for name, used in mails(rulebook).items():
            yield from tried(lambda name=name, values=values: templates.render(name, values), rulebook, known, used)  # type: ignore[misc]
        if rulebook.promotion and (note := rulebook.promotion.note):
            facts = values | {"scores": standing(rulebook), "evidence": evidence(rulebook), "recent": RECENT}
            yield from tried(lambda note=note, facts=facts: templates.note(note, facts), rulebook, known, HANDED)  # type: ignore[misc]


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


def bare() -> dict[str, Any]:
    """The fields of a lead of whom only the address is known."""
    return {"email": ADDRESS}


def full(rulebook: Rulebook) -> dict[str, Any]:
    """A value for every declared field."""
    return {name: sample(field.type, field.allowed) for name, field in rulebook.fields.items()} | bare()


def sample(kind: str, allowed: Sequence[Any]) -> Any:
    """A value of a type."""
    if kind.startswith("list of "):
        return [sample(kind.removeprefix("list of "), allowed)]
    return allowed[0] if allowed else SAMPLES[kind]


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
    if match and match["subject"]:
        line = line_of_subject(rulebook.templates.get(file, ""))
    text, _, hint = (match["text"] if match else said).partition("; ")
    return Problem(file, line, 1, "template-value", f"with {known} known of the lead, {text} ({used})", hint)


def line_of_subject(text: str) -> int:
    """The line in which a mail's subject stands."""
    return next((n for n, line in enumerate(text.splitlines(), 1) if line.startswith("subject:")), 1)

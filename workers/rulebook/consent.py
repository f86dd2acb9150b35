"""The file `consent` into what the engine, delivery and the preference centre do by it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from workers.engine.categories import GENERAL, Category, ConsentPolicy, Sign
from workers.rulebook.bundle import TEMPLATES
from workers.rulebook.mail import MAIL, read_head
from workers.rulebook.names import HISTORY
from workers.rulebook.problems import Problems
from workers.rulebook.templates import mail_names
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.rulebook.declarations import ConsentFile
    from workers.rulebook.declarations.consent import Category as Declared
    from workers.rulebook.declarations.consent import Confirmation
    from workers.rulebook.names import Checker

MICROSECOND: Final = timedelta(microseconds=1)
WHY: Final = "whether a box was ticked is told by the event and the lead's fields alone"
NOT_THEN: Final = dict.fromkeys(("score", "band", "grade", "segment", "stage", "now", "today", *HISTORY), WHY)
LINK: Final = "confirm_url"
UNDECLARED: Final = Category(GENERAL, "News and offers", "Whatever else we have to tell", "legitimate_interest")
"""The general category, where no file declares it."""


def consent(file: ConsentFile | None, bundle: Mapping[str, str], check: Checker) -> ConsentPolicy:
    """What the rules say about consent; nothing, where no file says so."""
    if file is None:
        return ConsentPolicy({GENERAL: UNDECLARED})
    if file.confirmation:
        check_confirmation(file.confirmation, bundle, check)
    categories = {str(name): category(str(name), each, file, check) for name, each in file.consent.items()}
    categories.setdefault(GENERAL, UNDECLARED)
    asks, soft = file.confirmation, file.soft_bounces
    return ConsentPolicy(
        categories=categories,
        template=str(asks.template) if asks else "",
        at_most=asks.at_most if asks else 3,
        within=asks.within // MICROSECOND if asks else 0,
        soft_bounces=soft.at_most if soft else 0,
        soft_within=soft.within // MICROSECOND if soft else 0,
    )


def category(name: str, declared: Declared, file: ConsentFile, check: Checker) -> Category:
    """One category, with its ways to be given."""
    if declared.double_opt_in and file.confirmation is None:
        hint = "add `confirmation: {template: …}` to this file"
        check.problems.add(declared.place("double_opt_in"), "no-confirmation", "no mail asks to confirm", hint)
    signs = []
    for each in declared.given_by:
        known = check.event(each.event)
        when = check.optional(each.when, "boolean", check.names.scope(each.event, NOT_THEN)) if known else None
        signs.append(Sign(str(each.event), when, str(each.text)))
    return Category(
        name=name,
        title=str(declared.name),
        description=str(declared.description),
        basis=declared.lawful_basis,
        double_opt_in=declared.double_opt_in,
        signs=tuple(signs),
    )


def check_confirmation(asks: Confirmation, bundle: Mapping[str, str], check: Checker) -> None:
    """See that the mail that asks to confirm can do so."""
    name = asks.template
    if not check.known("template", name, check.names.templates, f"write templates/{name}/mail.txt"):
        return
    text = bundle[f"{TEMPLATES}{name}{MAIL}"]
    head = read_head(MAIL, text, Problems())
    if head and head.category != "transactional":
        said = "it has to reach people who have not said yes to marketing: write `category: transactional`"
        check.problems.add(name.place, "not-transactional", f"`{name}` is a marketing mail", said)
    if LINK not in text:
        problem = f"nobody can confirm with `{name}`"
        check.problems.add(name.place, "no-confirm-link", problem, f"write {{{{ {LINK} }}}} into its text")


def topics(file: ConsentFile | None, bundle: Mapping[str, str], check: Checker) -> dict[str, str]:
    """Of each marketing mail that names one, its category."""
    known = {GENERAL, *(str(name) for name in file.consent)} if file else {GENERAL}
    found: dict[str, str] = {}
    for name in sorted(mail_names(bundle)):
        path = f"{TEMPLATES}{name}{MAIL}"
        head = read_head(path, bundle[path], Problems())
        if head is None:
            continue
        if head.topic is not None and head.topic not in known:
            hint = suggestion(head.topic, known) or "declare it in rules/consent.yaml"
            check.problems.add(head.topic.place, "unknown-category", f"there is no category `{head.topic}`", hint)
        if head.topic is not None:
            found[name] = str(head.topic)
    return found

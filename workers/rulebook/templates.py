"""Mail templates, checked as far as their text goes: front matter, syntax, and names that no mail will ever have."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from jinja2 import TemplateSyntaxError, meta, nodes

from workers.rulebook.addresses import is_mailbox
from workers.rulebook.bundle import TEMPLATES
from workers.rulebook.mail import MAIL, body_of, read_head
from workers.rulebook.problems import Place, Problems
from workers.rulebook.sandbox import BoundedEnvironment
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from workers.rulebook.names import Names

NOTE: Final = "/note.txt"
MAX_TEMPLATE: Final = 500_000
ACCOUNT: Final = frozenset({"company", "zone", "currency", "sender", "address"})
VARIABLES: Final = frozenset({"lead", "account", "unsubscribe_url"})
NOTE_VARIABLES: Final = frozenset({"lead", "account", "scores", "evidence", "recent"})
"""What a hand-off note may say: the lead's fields; `scores.fit.score` and `.band`; criteria with true or false; and
the latest scoring events, each with `at`, `type` and `points`."""
OF_MAPPINGS: Final = frozenset({("scores", "items"), ("scores", "keys"), ("scores", "values")})


def mail_names(bundle: Mapping[str, str]) -> frozenset[str]:
    """The templates that a campaign can send: folders that hold a `mail.txt`."""
    return frozenset(
        path.removeprefix(TEMPLATES).removesuffix(MAIL)
        for path in bundle
        if path.startswith(TEMPLATES) and path.endswith(MAIL)
    )


def note_names(bundle: Mapping[str, str]) -> frozenset[str]:
    """The hand-off notes: folders that hold a `note.txt`."""
    return frozenset(
        path.removeprefix(TEMPLATES).removesuffix(NOTE)
        for path in bundle
        if path.startswith(TEMPLATES) and path.endswith(NOTE)
    )


def categories_of(bundle: Mapping[str, str]) -> dict[str, str]:
    """Of each template that can be sent, `marketing` or `transactional`; those left out that cannot be read."""
    heads = {name: read_head(MAIL, bundle[f"{TEMPLATES}{name}{MAIL}"], Problems()) for name in mail_names(bundle)}
    return {name: head.category for name, head in sorted(heads.items()) if head is not None}


def check_templates(bundle: Mapping[str, str], names: Names, problems: Problems) -> None:
    """Find what is wrong with the templates of a bundle.

    Args:
        bundle: all files.
        names: what the rule files declare.
        problems: takes what is wrong.
    """
    paths = {path.removeprefix(TEMPLATES) for path in bundle if path.startswith(TEMPLATES)}
    known = {"lead": {"email", *names.fields}, "account": ACCOUNT}
    inspector = Inspector(paths, known, problems)
    notes = Inspector(paths, {**known, "scores": set(names.bands)}, problems, NOTE_VARIABLES)
    for path, text in bundle.items():
        if not path.startswith(TEMPLATES):
            continue
        if len(text) > MAX_TEMPLATE:
            problems.add(Place(path), "too-large", f"larger than {MAX_TEMPLATE:,} characters", "shorten the mail")
            continue
        if path.endswith(NOTE):
            notes.check(path, text)
            continue
        inspector.check(path, body_of(path, text))
        if path.endswith(MAIL):
            check_head(path, text, inspector, problems)


def check_head(path: str, text: str, inspector: Inspector, problems: Problems) -> None:
    """The front matter of a `mail.txt`; the subject is a template of its own."""
    head = read_head(path, text, problems)
    if head is None:
        return
    inspector.check(path, str(head.subject), first_line=head.subject.place.line)
    if head.sender is not None and not is_mailbox(head.sender):
        problems.add(
            head.sender.place, "bad-address", f"`{head.sender}` is no sender", "write Name <name@company.example>"
        )


@cache
def environment() -> BoundedEnvironment:
    """What mails are rendered with; here it only parses and compiles, and computes nothing."""
    return BoundedEnvironment({})


class Inspector:
    """Checks template texts.

    Args:
        paths: of all templates, below `templates/`.
        known: the names that `lead` and `account` have.
        problems: takes what is wrong.
        variables: what the texts are rendered with.
    """

    def __init__(
        self,
        paths: Collection[str],
        known: Mapping[str, Collection[str]],
        problems: Problems,
        variables: frozenset[str] = VARIABLES,
    ) -> None:
        self._variables = variables
        self._paths = paths
        self._known = known
        self._problems = problems

    def check(self, path: str, text: str, first_line: int = 1) -> None:
        """One text that begins in `first_line` of its file."""
        try:
            tree = environment().parse(text)
            unknown = [*unknown_words(tree)]
            if not unknown:
                environment().compile(tree)
                unknown = [*self._unknown(tree)]
        except TemplateSyntaxError as error:
            place = Place(path, error.lineno + first_line - 1)
            self._problems.add(place, "template-syntax", one_line(error.message), "")
        except (RecursionError, MemoryError, SyntaxError):
            self._problems.add(Place(path, first_line), "template-syntax", "nested too deep", "write it flatter")
        except ValueError as error:  # Python's own, on a number with thousands of digits
            self._problems.add(Place(path, first_line), "template-syntax", one_line(error), "write a smaller number")
        else:
            for line, code, wrong, hint in unknown:
                self._problems.add(Place(path, line + first_line - 1), code, wrong, hint)

    def _unknown(self, tree: nodes.Template) -> Iterator[tuple[int, str, str, str]]:
        """Names that no mail has, each with its line, code, sentence and hint."""
        assigned = {name.name for name in tree.find_all(nodes.Name) if name.ctx == "store"}
        unknown = meta.find_undeclared_variables(tree) - self._variables - set(environment().globals)
        for name in tree.find_all(nodes.Name):
            if name.name in unknown and name.ctx == "load":
                hint = suggestion(name.name, self._variables) or f"did you mean lead.{name.name}?"
                yield name.lineno, "unknown-variable", f"there is no variable `{name.name}` here", hint
        for node, owner, attribute in attributes(tree):
            known = self._known.get(owner, ())
            if (owner, attribute) in OF_MAPPINGS or attribute in known:
                continue
            if known and owner not in assigned:
                declare = "declare it in rules/fields.yaml" if owner == "lead" else ""
                hint = suggestion(attribute, known, owner + ".{}", declare)
                yield node.lineno, "unknown-field", f"the {owner} has no field `{attribute}`", hint
        for node, path in references(tree):
            if path not in self._paths:
                yield node.lineno, "unknown-template", f"there is no templates/{path}", suggestion(path, self._paths)


def unknown_words(tree: nodes.Template) -> Iterator[tuple[int, str, str, str]]:
    """Filters and tests that there are not, also where Jinja2 would find out only in the middle of a mail."""
    kinds = (("filter", nodes.Filter, environment().filters), ("test", nodes.Test, environment().tests))
    for kind, node_type, known in kinds:
        for node in tree.find_all(node_type):
            if node.name not in known:
                names = sorted(name for name in known if name[0].isalpha())
                hint = suggestion(node.name, names) or f"there are {', '.join(names)}"
                yield node.lineno, f"unknown-{kind}", f"mails have no {kind} `{node.name}`", hint


def attributes(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str, str]]:
    """Every `owner.attribute` and `owner["attribute"]` of a template."""
    for got in tree.find_all(nodes.Getattr):
        if isinstance(got.node, nodes.Name):
            yield got, got.node.name, got.attr
    for item in tree.find_all(nodes.Getitem):
        if isinstance(item.node, nodes.Name) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            yield item, item.node.name, item.arg.value


def references(tree: nodes.Template) -> Iterator[tuple[nodes.Node, str]]:
    """The templates that a template includes, extends or imports by a written name."""
    for node in tree.find_all((nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)):
        named = getattr(node, "template", None)
        if isinstance(named, nodes.Const) and isinstance(named.value, str):
            yield node, named.value


def one_line(text: object) -> str:
    """Jinja2's message without line breaks."""
    return " ".join(str(text).split())[:200]

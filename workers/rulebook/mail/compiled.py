"""A mail's folder compiled: everything that is done once per template and not once per mail."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from jinja2 import TemplateSyntaxError, nodes

from workers.exceptions import RenderError
from workers.rulebook.mail.asking import asks
from workers.rulebook.mail.assembly import Assembler, Flat, Mark, Sources, Unsuitable, flatten, rebuild
from workers.rulebook.mail.bounds import BadMarkup
from workers.rulebook.mail.files import TEXT, content_of, markup_path, media_type
from workers.rulebook.mail.head import body_of, read_head
from workers.rulebook.mail.layouts import layouts_of
from workers.rulebook.mail.links import absolute, is_address
from workers.rulebook.mail.marking import bare, comment, marked
from workers.rulebook.mail.markup import MARK, attributes, tokens
from workers.rulebook.mail.plain import plain, tidied
from workers.rulebook.mail.styling import finished
from workers.rulebook.problems import Problems
from workers.rulebook.sandbox import BoundedEnvironment, render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jinja2 import Template
    from markupsafe import Markup

    from workers.rulebook.mail.head import FrontMatter

PREHEADER: Final = "preheader"
WHOLE: Final = "#whole"
"""The filter that makes a link whole; no template can name it."""
JINJA: Final = re.compile(r"\{[{%#]")
OURS: Final = frozenset({"account", "confirm_url", "preferences_url", "unsubscribe_url"})
"""Variables that nobody outside has a say in."""
_NOTES: Final = re.compile(r"\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Script:
    """One compiled text of a mail, and whose lines it has."""

    template: Template
    sources: Sources | None = None

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for these values.

        Raises:
            RenderError: it cannot be made of them.
        """
        return render(self.template, values, self.sources)


@dataclass(frozen=True, slots=True)
class Constant:
    """A line that is the same in every mail."""

    text: str

    def render(self, _: Mapping[str, Any]) -> str:
        """The text."""
        return self.text


@dataclass(frozen=True, slots=True)
class Page:
    """The HTML of a mail.

    Attributes:
        script: renders it.
        text: renders the plain text made of it; None if that has to be made of the rendered HTML.
        late: why MJML, styles and links have to be seen to after it is rendered; empty if they were before.
        mjml: it is written in MJML.
        shows_preheader: it puts the preheader where it wants it.
    """

    script: Script
    text: Script | None
    late: str
    mjml: bool
    shows_preheader: bool

    def render(self, values: Mapping[str, Any], preheader: Markup, site: str) -> str:
        """The HTML for these values.

        Args:
            values: the template's variables.
            preheader: escaped; empty for none.
            site: what relative links begin with.

        Raises:
            RenderError: it cannot be made of them.
        """
        markup = self.script.render(values)
        if not self.late:
            return markup
        try:
            shown = "" if self.shows_preheader else str(preheader)
            return finished(markup, mjml=self.mjml, preheader=shown, site=site)
        except BadMarkup as error:
            raise RenderError(f"{self.script.template.name}: {error}") from error

    def plain(self, values: Mapping[str, Any], html: str) -> str:
        """The text beside the HTML."""
        return tidied(self.text.render(values) if self.text else plain(html))


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes with a mail."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CompiledMail:
    """One mail, ready to be rendered. Without a `text` of its own the page's is taken.

    Attributes:
        asks: it may ask where the lead stands.
    """

    name: str
    head: FrontMatter
    subject: Script | Constant
    preheader: Script | Constant | None
    text: Script | None
    page: Page | None
    files: tuple[File, ...]
    asks: bool = False


def environment_of(files: Mapping[str, str], site: str = "") -> BoundedEnvironment:
    """What all templates of a bundle are compiled in.

    Args:
        files: text by path below `templates/`.
        site: what relative links begin with.
    """
    texts = {path: body_of(f"/{path}", text) for path, text in files.items()}
    return BoundedEnvironment(texts, layouts_of(files), {WHOLE: lambda address: absolute(str(address), site)})


def compile_mail(environment: BoundedEnvironment, files: Mapping[str, str], name: str, site: str) -> CompiledMail:
    """Compile a mail.

    Args:
        environment: of these files.
        files: text by path below `templates/`.
        name: of the mail's folder.
        site: what relative links begin with; empty to leave them.

    Raises:
        RenderError: it cannot be used, and why.
    """
    text_path, page_path = f"{name}/mail{TEXT}", markup_path(name, files)
    if text_path not in files:
        raise RenderError(f"{name}: the rulebook has no templates/{text_path}")
    problems = Problems()
    head = read_head(text_path, files[text_path], problems)
    if head is None or problems:
        raise RenderError("; ".join(map(str, problems.found())))
    written = not page_path or _NOTES.sub("", body_of(f"/{text_path}", files[text_path])).strip()
    try:
        return CompiledMail(
            name=name,
            head=head,
            subject=_line(environment, str(head.subject), f"{text_path} (subject)"),
            preheader=_line(environment, str(head.preheader), f"{text_path} (preheader)") if head.preheader else None,
            text=Script(environment.get_template(text_path)) if written else None,
            page=compile_page(environment, page_path, site, preheader=head.preheader is not None)
            if page_path
            else None,
            files=tuple(attached(files, name, str(each)) for each in head.attachments),
            asks=_asks(environment, head, [text_path, page_path or text_path]),
        )
    except TemplateSyntaxError as error:
        raise RenderError(f"{error.name or name}, line {error.lineno}: {error.message}") from error


def _asks(environment: BoundedEnvironment, head: FrontMatter, paths: Iterable[str]) -> bool:
    """True if anything in a mail may ask where the lead stands."""
    lines = [str(line) for line in (head.subject, head.preheader) if line and JINJA.search(line)]
    return asks(environment, map(environment.parse, lines), paths)


def attached(files: Mapping[str, str], name: str, file: str) -> File:
    """A file of a mail's folder.

    Raises:
        RenderError: there is none of that name that can be attached.
    """
    content = content_of(files.get(f"{name}/{file}", ""))
    if content is None:
        raise RenderError(f"{name}: there is no file templates/{name}/{file} to attach")
    return File(file.rpartition("/")[2], media_type(file), content)


def _line(environment: BoundedEnvironment, text: str, name: str) -> Script | Constant:
    if not JINJA.search(text):
        return Constant(text)
    template = environment.from_string(text)
    template.name = name
    return Script(template)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────────────


def compile_page(environment: BoundedEnvironment, path: str, site: str, *, preheader: bool) -> Page:
    """Compile the HTML of a mail, finished as far as it can be before there are values.

    Args:
        environment: holds the template.
        path: of the `mail.html` or `mail.mjml`.
        site: what relative links begin with.
        preheader: the mail has one.

    Raises:
        TemplateSyntaxError: a template in it is wrong.
        RenderError: its markup is.
    """
    mjml = path.endswith(".mjml")
    shows = _mentions(environment, path, PREHEADER)
    try:
        return _finished_page(environment, path, site, preheader=preheader and not shows, shows=shows)
    except Unsuitable as reason:
        return Page(Script(environment.get_template(path)), None, str(reason), mjml, shows)


def _mentions(environment: BoundedEnvironment, path: str, name: str) -> bool:
    """True if the page, or anything that it brings in, uses a variable."""
    try:
        tree = Assembler(environment).tree(path)
    except Unsuitable:
        return False
    return any(each.name == name for each in tree.find_all(nodes.Name))


def _finished_page(environment: BoundedEnvironment, path: str, site: str, *, preheader: bool, shows: bool) -> Page:
    flat, sources = _flat(environment, path, preheader=preheader)
    markup = marked(flat)
    mjml = path.endswith(".mjml")
    number = len(flat.marks) - 1
    try:
        html = finished(markup, mjml=mjml, preheader=comment(number) if preheader else "", site=site)
    except BadMarkup as error:
        place, line = _place(markup, error.at, flat, sources)
        raise RenderError(f"{place}, line {line}: {error}") from error
    marked(replace(flat, text=bare(html)))  # a browser's parser may have ended elements where their author had not
    everything = frozenset(range(len(flat.marks)))
    tree = rebuild(html, flat, everything, environment)
    script = Script(environment.compiled(tree, path), sources)
    return Page(script, _text(environment, path, html, preheader=preheader), "", mjml, shows)


def _flat(environment: BoundedEnvironment, path: str, *, preheader: bool) -> tuple[Flat, Sources]:
    """A page with its last mark for the preheader, if it is to be put in."""
    assembler = Assembler(environment)
    flat = flatten(assembler.tree(path))
    complete_links(flat)
    if preheader:
        flat.marks.append(Mark("leaf", nodes.Output([nodes.Name(PREHEADER, "load", lineno=1)], lineno=1)))
    return flat, assembler.sources


def complete_links(flat: Flat) -> None:
    """See that links which begin with a value lead somewhere, too: only then it shows whether the value is enough.

    Raises:
        Unsuitable: a link begins with a branch.
    """
    for token in tokens(flat.text):
        for each in attributes(token) if token.kind == "start" else ():
            match = MARK.match(each.value.strip()) if is_address(token, each) else None
            if match is None:
                continue
            kind, node = flat.marks[int(match[2])]
            if kind != "leaf" or not isinstance(node, nodes.Output):
                raise Unsuitable("a link begins with a branch of Jinja2")
            if _is_ours(node.nodes[0]):
                continue
            whole = nodes.Filter(node.nodes[0], WHOLE, [], [], None, None, lineno=node.lineno)
            flat.marks[int(match[2])] = Mark("leaf", nodes.Output([whole], lineno=node.lineno))


def _is_ours(value: nodes.Expr) -> bool:
    name = value.node if isinstance(value, nodes.Getattr) else value
    return isinstance(name, nodes.Name) and name.name in OURS


def _text(environment: BoundedEnvironment, path: str, html: str, *, preheader: bool) -> Script | None:
    """The text that is made of a page; None if that has to wait for the rendered page."""
    flat, sources = _flat(environment, path, preheader=preheader)  # of its own: compiling changes what a tree holds
    try:
        tree = rebuild(plain(html, flat), flat, flat.statements, environment)
    except Unsuitable:
        return None
    return Script(environment.compiled(tree, f"{path} (text)"), sources)


def _place(markup: str, at: int | None, flat: Flat, sources: Sources) -> tuple[str, int]:
    """The file and line of a place in markup: as many lines behind the last mark as it is behind it."""
    before = markup[:at] if at is not None else ""
    line, since = 1, 0
    for match in MARK.finditer(before):
        line, since = flat.marks[int(match[1] or match[2])].node.lineno, match.end()
    return sources.place(line + before.count("\n", since))

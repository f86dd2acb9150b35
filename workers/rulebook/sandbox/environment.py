"""The environment that templates are parsed, compiled and rendered in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from jinja2 import DictLoader, StrictUndefined, TemplateRuntimeError, Undefined, nodes, pass_context
from jinja2.environment import TemplateModule
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workers.exceptions import RenderError
from workers.rulebook.sandbox.meter import TooMuch, begin, end, pay, pay_for
from workers.rulebook.sandbox.rewriting import INTERNAL, Metering
from workers.rulebook.sandbox.words import (
    FILTERS,
    GLOBALS,
    LARGEST_POWER,
    LONG,
    MACHINERY,
    METHODS,
    STEP,
    TESTS,
    is_number,
    number,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping

    from jinja2 import Template
    from jinja2.runtime import Context

MOST_CHARACTERS: Final = 500_000
"""Size of one rendered part; Gmail already cuts off what is longer than 102 kB."""


CONTENT: Final = "content"
"""The block of a layout that holds what a mail says outside of blocks."""
ESCAPED: Final = (".html", ".mjml")


class Fields:
    """Values as a template sees them: nothing but names, and a name without a value is not there.

    Args:
        said: what the template calls them (`lead`), for error messages.
        values: by name.
    """

    __slots__ = ("__said__", "_values")

    def __init__(self, said: str, values: Mapping[str, Any]) -> None:
        self.__said__ = said
        self._values = {name: value for name, value in values.items() if value is not None}

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)


class Lines(Protocol):
    """Whose lines the lines of a template are that was put together from several files."""

    def place(self, line: int) -> tuple[str, int]:
        """The file, and the line in it."""


class Absent(StrictUndefined):
    """A name without a value. Using it is an error that says how to write the template instead."""

    @property
    def _undefined_message(self) -> str:
        owner = getattr(self._undefined_obj, "__said__", None)
        if owner is None:
            return str(super()._undefined_message)
        name = f"{owner}.{self._undefined_name}"
        return f'{name} has no value here; write {{{{ {name} | default("…") }}}} to say what stands in its place'


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox with a list of what is there, and with a budget.

    Args:
        files: template text by path; what is put into paths that end in `.html` or `.mjml` is escaped.
        layouts: for templates that are set into another one, that one's path.
        internal: filters that no template can name, for trees that are put together.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def __init__(
        self,
        files: Mapping[str, str],
        layouts: Mapping[str, str] | None = None,
        internal: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self._files = files
        self._layouts = layouts or {}
        super().__init__(
            loader=DictLoader(files),
            undefined=Absent,
            autoescape=lambda name: name is not None and name.endswith(ESCAPED),
            finalize=_finalize,
            optimized=False,  # what a template says is computed when it is rendered, with a budget, and never before
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=-1,
            auto_reload=False,
        )
        self.filters = FILTERS | INTERNAL | dict(internal or {})
        self.tests = dict(TESTS)
        self.globals = dict(GLOBALS)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """See Jinja2, whose chain of mappings takes longer to copy for each mail than the whole subject to render."""
        return {**self.globals, **(d or {})}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """See Jinja2; that a name is no attribute need not show by an error first."""
        if type(obj) is Fields:
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def holds(self, path: str) -> bool:
        """True if there is a template of this path."""
        return path in self._files

    def unpaid(self, path: str) -> tuple[nodes.Template, int]:
        """A template as it is written, to be put together with others before `compiled`, and its number of lines.

        Raises:
            TemplateSyntaxError: it cannot be read.
        """
        source = self._files[path]
        return self._set_into_layout(super()._parse(source, path, None), path), source.count("\n") + 1

    def compiled(self, tree: nodes.Template, name: str) -> Template:
        """A tree that was put together, ready to be rendered; like all others it pays for what it does."""
        Metering().visit(tree)
        tree.set_environment(self)
        return self.template_class.from_code(self, self.compile(tree, name), self.make_globals(None), None)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = self._set_into_layout(super()._parse(source, name, filename), name)
        Metering().visit(tree)
        tree.set_environment(self)
        return tree

    def _set_into_layout(self, tree: nodes.Template, name: str | None) -> nodes.Template:
        """What stands outside of blocks becomes the block `content` of the layout."""
        layout = self._layouts.get(name or "")
        if not layout:
            return tree
        blocks: list[nodes.Node] = [node for node in tree.body if isinstance(node, nodes.Block)]
        rest = [node for node in tree.body if not isinstance(node, nodes.Block)]
        if rest and not any(block.name == CONTENT for block in blocks if isinstance(block, nodes.Block)):
            blocks.append(nodes.Block(CONTENT, rest, False, False, lineno=rest[0].lineno))
        extends = nodes.Extends(nodes.Const(layout, lineno=1), lineno=1)
        tree.body = [extends, *blocks]
        return tree

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """What a macro, a block or `{% set %}` made of its parts, in one text."""
        pieces = list(parts)
        pay(sum(map(len, pieces)))
        return "".join(pieces)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a macro, a function or a method of text, if there is budget left."""
        size = sum(map(pay_for, (*args, *kwargs.values())))
        owner = getattr(obj, "__self__", None)
        pay(STEP + (len(owner) * (1 + size // LONG) if isinstance(owner, str) else 0))
        return super().call(context, obj, *args, **kwargs)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """See Jinja2; the key is hashed whole."""
        if not isinstance(argument, str):
            pay_for(argument)
        return super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse what the sandbox refuses, and every method that is not listed."""
        if isinstance(obj, (*MACHINERY, TemplateModule)):
            return super().is_safe_attribute(obj, attr, value)
        return any(isinstance(obj, kind) and attr in names for kind, names in METHODS)

    def wrap_str_format(self, value: Any) -> None:
        """No wrapper that would make `str.format` safe: it stays refused, because of its widths."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers of bounded size, and put lists and texts together."""
        if is_number(left) and is_number(right):
            number(left), number(right)
            if operator == "**" and abs(right) > LARGEST_POWER:
                raise TooMuch("a power this large")
        elif operator == "+" and type(left) is type(right) and isinstance(left, str | list | tuple):
            pay_for(left), pay_for(right)
        elif not isinstance(left, Undefined) and not isinstance(right, Undefined):
            raise TemplateRuntimeError(f"only numbers can be calculated with `{operator}`; texts are joined with ~")
        return super().call_binop(context, operator, left, right)


@pass_context  # so that Jinja2 writes nothing into a mail while it compiles
def _finalize(_: Context, value: Any) -> Any:
    return written(value)


def render(template: Template, values: Mapping[str, Any], lines: Lines | None = None) -> str:
    """Render within the bounds.

    Args:
        template: compiled in a `BoundedEnvironment`.
        values: its variables.
        lines: whose lines its lines are, if it was put together from several files.

    Raises:
        RenderError: whatever went wrong, with the template's name, the line where Jinja2 knows it, and the reason.
    """
    token = begin()
    try:
        return _joined(_parts(template, values))
    except RecursionError as error:
        raise RenderError(f"{template.name}: it includes or calls itself without end") from error
    except Exception as error:  # a filter given a stranger's value may raise anything, and only this mail is concerned
        raise RenderError(f"{_place(template, error, lines)}: {str(error) or type(error).__name__}") from error
    finally:
        end(token)


def _parts(template: Template, values: Mapping[str, Any]) -> list[str]:
    """As `Template.generate` does it, without handing each part through another generator."""
    try:
        return list(template.root_render_func(template.new_context(dict(values))))
    except Exception:  # noqa: BLE001  Jinja2 raises it again, with the template's own lines
        return template.environment.handle_exception()


def _joined(parts: list[str]) -> str:
    """The text; how many parts there can be is bounded by the budget, how long they are together is not."""
    if sum(map(len, parts)) > MOST_CHARACTERS:
        raise TooMuch(f"it renders to more than {MOST_CHARACTERS} characters")
    return "".join(parts)


def _place(template: Template, error: BaseException, lines: Lines | None) -> str:
    """`welcome/hello/mail.txt, line 7`, the line only where it is known."""
    line = _line(template, error)
    if not line:
        return str(template.name)
    path, number = lines.place(line) if lines else (template.name, line)
    return f"{path}, line {number}"


def _line(template: Template, error: BaseException) -> int:
    """From the last traceback entry that lies in a template (Jinja2 has put its own line numbers there); or 0."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == (template.filename or "<template>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line

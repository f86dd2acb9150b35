"""A Jinja2 environment in which a template can neither reach out, nor run for ever, nor grow without end.

Templates come from people who edit files; the values in them come from strangers. The values are data and are never
compiled. What is bounded here is the template itself, so that a slip in one mail cannot stop a worker.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from jinja2 import DictLoader, StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from workers.exceptions import RenderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from jinja2 import Template
    from jinja2.runtime import Context

MOST_STEPS: Final = 20_000
"""Rounds of loops and calls in one rendering, all together: far above any mail, a few milliseconds of work."""
MOST_CHARACTERS: Final = 500_000
"""Size of one rendered part; Gmail already cuts off what is longer than 102 kB."""
BOUNDED: Final = "dripline_bounded"
PADDING: Final = frozenset({"center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill"})
"""Methods of text that take a width from the template and fill it up."""

_steps: ContextVar[list[int]] = ContextVar("steps")


class TooMuch(TemplateError):
    """A template does more than any mail needs."""


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
    """A sandbox with a budget: loop rounds and calls are counted, repetition and powers are limited.

    Args:
        files: template text by path; paths that end in `.html` are escaped.
    """

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, files: Mapping[str, str]) -> None:
        super().__init__(
            loader=DictLoader(files),
            undefined=Absent,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=-1,
            auto_reload=False,
        )
        self.filters[BOUNDED] = bounded
        for name in ("center", "format", "indent", "wordwrap"):  # they multiply text by a number in the template
            self.filters.pop(name)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, BOUNDED, [], [], None, None, lineno=loop.lineno)
        return tree

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call something, if there is budget left (a macro may call itself)."""
        spend()
        return super().call(context, obj, *args, **kwargs)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse what the sandbox refuses, and text's methods that fill up to a width."""
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr in PADDING)

    def wrap_str_format(self, value: Any) -> None:
        """No wrapper that would make `str.format` safe: it stays refused, because of its widths."""

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Multiply, raise or format, if the result stays small."""
        if operator == "**" and not (_is_small(left, 1_000_000) and _is_small(right, 10)):
            raise TooMuch("a power this large")
        if operator == "*" and not (_is_small(left, 10**12) and _is_small(right, 10**12)):
            raise TooMuch("only numbers can be multiplied here")
        if operator == "%" and isinstance(left, str):
            raise TooMuch("text is put together with ~, not with %")
        return super().call_binop(context, operator, left, right)


def bounded(values: Iterable[Any]) -> Iterator[Any]:
    """The same values, each paid for from the budget of the rendering."""
    for value in values:
        spend()
        yield value


def spend() -> None:
    """Pay for one step.

    Raises:
        TooMuch: the budget is used up.
    """
    left = _steps.get()
    left[0] -= 1
    if left[0] < 0:
        raise TooMuch(f"more than {MOST_STEPS} rounds of loops and calls")


def render(template: Template, values: Mapping[str, Any]) -> str:
    """Render within the bounds.

    Raises:
        RenderError: whatever went wrong, with the template's name, the line where Jinja2 knows it, and the reason.
    """
    token = _steps.set([MOST_STEPS])
    try:
        return "".join(_measured(template.generate(**values)))
    except RecursionError as error:
        raise RenderError(f"{template.name}: it includes or calls itself without end") from error
    except Exception as error:  # a filter given a stranger's value may raise anything, and only this mail is concerned
        raise RenderError(f"{template.name}{_line(template, error)}: {str(error) or type(error).__name__}") from error
    finally:
        _steps.reset(token)


def _measured(parts: Iterable[str]) -> Iterator[str]:
    length = 0
    for part in parts:
        length += len(part)
        if length > MOST_CHARACTERS:
            raise TooMuch(f"it renders to more than {MOST_CHARACTERS} characters")
        yield part


def _line(template: Template, error: BaseException) -> str:
    """`, line 7`, from the last traceback entry that lies in a template (Jinja2 has put its own line numbers there)."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == (template.filename or "<template>"):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""


def _is_small(value: object, most: int) -> bool:
    return isinstance(value, int | float) and abs(value) <= most

"""The manual of the adapters, made of what each says of itself: its module's words, its settings, and its facts."""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import MISSING, fields
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

from integrations import discovery
from workers.config import spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

WIDTH: Final = 100
INDENT: Final = "    "
UNBROKEN: Final[dict[str, Any]] = {"break_long_words": False, "break_on_hyphens": False}
ENTRIES: Final = re.compile(r"\n {4}(?! )")
"""What parts the entries of a docstring's list of attributes."""


def names() -> set[str]:
    """Names of all adapters."""
    return {name for kind in discovery.KINDS for name in discovery.names(kind)}


def listing() -> str:
    """All adapters by kind."""
    found = {what: discovery.names(kind) for kind, what in discovery.KINDS.items()}
    width = max(map(len, found)) + 2
    return "\n".join(
        textwrap.fill(" · ".join(each), WIDTH, initial_indent=what.ljust(width), subsequent_indent=" " * width)
        for what, each in found.items()
    )


def page(name: str) -> str:
    """What there is to say of the adapter of this name; empty if there is none."""
    in_order = sorted(discovery.KINDS, key=lambda kind: kind == "sources")  # what comes back is told of last
    found = [(kind, discovery.adapter(kind, name)) for kind in in_order if name in discovery.names(kind)]
    if not found:
        return ""
    kinds = ", ".join(discovery.KINDS[kind] for kind, _ in found)
    modules = dict.fromkeys(sys.modules[cls.__module__].__doc__ or "" for _, cls in found)
    parts = [f"{name}: {kinds}", *map(prose, modules)]
    for kind, cls in found:
        lines = [f"{each['variable']:<44}{each['default']}\n{explained(each)}" for each in settings_of(cls, name)]
        title = f"Settings of the {discovery.KINDS[kind]}:"
        parts += [textwrap.indent("\n".join([title, *lines]), INDENT)] if lines else []
        parts += [textwrap.indent("\n".join(facts(cls)), INDENT)] if kind == "email" else []
    return "\n\n".join(parts)


def explained(setting: Mapping[str, str]) -> str:
    """What a setting is for, indented."""
    return textwrap.fill(setting["says"], WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, **UNBROKEN)


def settings_of(cls: type, name: str) -> Iterator[dict[str, str]]:
    """The variables of an adapter, under the name that it goes by: each with its default, and what it is for.

    What adapters share is keyword-only, and comes after what is their own.
    """
    for each in sorted(fields(cls), key=lambda each: each.kw_only is True):
        if each.init and str(each.type) in discovery.READERS:
            variable = discovery.variable(name, each.name)
            needed = each.default is MISSING and variable != "DRIPLINE_MAILBOX_FOLDER"  # lies in the data folder
            default = "(needed)" if needed else "" if each.default is MISSING else spelled(each.default)
            yield {
                "variable": variable,
                "default": default,
                "says": said(cls, each.name),
                "secret": "" if each.repr else "yes",
            }


def said(cls: type, field: str) -> str:
    """What the documentation of the adapter, or of what it shares with others, says about a setting."""
    for doc in (cleandoc(each.__doc__ or "") for each in cls.__mro__):
        for entry in ENTRIES.split(doc):
            names_, _, told = entry.partition(": ")
            if field in names_.split(", "):
                return " ".join(told.partition("\n\n")[0].split())
    return field.replace("_", " ")


def facts(cls: Any) -> Iterator[str]:
    """What an e-mail provider can be relied on where an answer is lost."""
    kept: timedelta | None = getattr(cls, "key_kept", None)
    yield "Where an answer is lost:"
    if cls.takes_key:
        yield f"    It knows a mail's key again{f' for {spelled(kept)}' if kept else ''}, so a mail is sent again."
    else:
        yield "    It takes no key, so no mail is sent again before it is known that it was not taken."
    if after := getattr(cls, "findable_after", None):
        yield f"    It can be asked: what it does not know {spelled(after)} later, it never had."
    else:
        yield "    It cannot be asked; its events, or a person, say whether it has the mail."
    if most := getattr(cls, "most", None):
        several = f"Up to {most}" if isinstance(most, int) else "Several"  # a property adapts it to what is under way
        yield f"{several} mails go in one call, each with an outcome of its own."


def prose(text: str) -> str:
    """Paragraphs and lists, filled anew."""
    blocks = [block for part in cleandoc(text).split("\n\n") for block in items(part)]
    return "\n\n".join(blocks)


def items(part: str) -> Iterator[str]:
    """A paragraph, or a list whose items each begin a line."""
    if not part.startswith("- "):
        yield textwrap.fill(" ".join(part.split()), WIDTH, initial_indent=INDENT, subsequent_indent=INDENT, **UNBROKEN)
        return
    each = [" ".join(item.split()) for item in f"\n{part}".split("\n- ")[1:]]
    filled = [
        textwrap.fill(item, WIDTH, initial_indent=f"{INDENT}- ", subsequent_indent=f"{INDENT}  ") for item in each
    ]
    yield "\n".join(filled)

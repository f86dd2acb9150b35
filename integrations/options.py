"""Options of an adapter that stand in rule files: checked when the adapter is made, so that `check` finds mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from integrations.exceptions import ConfigurationError
from integrations.names import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Collection


def check_keys(options: object, known: Collection[str], adapter: str) -> Mapping[str, Any]:
    """The options as a mapping with only known keys.

    Raises:
        ConfigurationError: it is no mapping, or has another key; the message names the nearest right one.
    """
    if not isinstance(options, Mapping):
        raise ConfigurationError(f"the options of '{adapter}' have to be a mapping.")
    refuse_unknown(f"option of the source adapter '{adapter}'", options, known)
    return options


def text_option(options: Mapping[str, Any], key: str, default: str) -> str:
    """One text.

    Raises:
        ConfigurationError: it is something else.
    """
    value = options.get(key, default)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"'{key}' has to be a text, such as {default or 'data.id'}.", option=(key,))
    return value.strip()


def table_option(options: Mapping[str, Any], key: str, example: str) -> dict[str, str]:
    """A mapping of texts to texts, empty if not given; `example` is one entry, for the message (`Abc123: demo`).

    Raises:
        ConfigurationError: it is something else; the message names the entry.
    """
    value = options.get(key, {})
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"'{key}' has to be a mapping such as {{{example}}}.", option=(key,))
    for name, entry in value.items():
        if not isinstance(entry, str) or not entry.strip():
            text = f"'{key}.{name}' has to be a text, such as in {{{example}}}."
            raise ConfigurationError(text, option=(key, str(name)))
    return {str(name): entry.strip() for name, entry in value.items()}


def path_option(text: str, *option: str) -> tuple[str, ...]:
    """The steps of a dotted path; `.` is the document itself. `option` are the keys under which it stands.

    Raises:
        ConfigurationError: a step is empty.
    """
    if text == ".":
        return ()
    steps = tuple(text.split("."))
    if not all(steps):
        says = f"'{text}' is no path; write names with single dots between them, such as data.email."
        raise ConfigurationError(says, option=option)
    return steps

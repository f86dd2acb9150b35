"""Adapters, found by file name: `integrations/<kind>/<name>.py` holds a class `Adapter`, and nothing lists it.

An e-mail provider tells by webhook what became of the mails, so its file may also hold a class `Feedback`: a webhook
source of the same name. The two read their settings from variables of one prefix.

An adapter is a frozen dataclass, and its fields are its settings:

- a field of a plain type (`str`, `int`, `float`, `bool`, `tuple[str, ...]`, `timedelta`, `Path`) is read from the
  variable `DRIPLINE_<INSTANCE>_<FIELD>`; secrets belong there and nowhere else;
- the field `options` takes what stands in the rule files, as a mapping; `read_options` of the class checks it, needs no
  setting for that, and raises `ConfigurationError`;
- a field of any other type (a clock) is handed in by the caller, or keeps its default.

What kinds of adapters share is there to be extended: `transport.OverHttp`, `webhooks.SignedWebhook`, and of sources
`logins.LoginSource`. Shared fields are settings like others.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from integrations.exceptions import ConfigurationError
from integrations.names import nearest, refuse_unknown, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from integrations.contracts import Crm, EmailProvider, Hook, Inbox, Source

Kind = Literal["sources", "email", "crm", "inbound", "hooks"]
KINDS: Final[Mapping[Kind, str]] = {
    "sources": "webhook source",
    "email": "e-mail provider",
    "crm": "CRM",
    "inbound": "mailbox",
    "hooks": "outgoing webhook",
}
"""The kinds of adapters, and what one of them is called."""
FEEDBACK: Final = "Feedback"
"""The class of an e-mail provider's webhook source, in the provider's file."""


def names(kind: Kind) -> tuple[str, ...]:
    """Names of all adapters of a kind, sorted."""
    found = set(_files(kind))
    if kind == "sources":
        found |= {name for name in _files("email") if hasattr(_module("email", name), FEEDBACK)}
    return tuple(sorted(found))


def _files(kind: Kind) -> list[str]:
    package = importlib.import_module(f"integrations.{kind}")
    found = (module.name for module in pkgutil.iter_modules(package.__path__))
    return [name for name in found if not name.startswith("_")]


def _module(kind: Kind, name: str) -> ModuleType:
    return importlib.import_module(f"integrations.{kind}.{name}")


def adapter(kind: Kind, name: str) -> type[Any]:
    """The class of one adapter.

    Raises:
        ConfigurationError: there is none of this name; the message has the nearest right one.
    """
    known = names(kind)
    if name not in known:
        raise ConfigurationError(f"there is no {KINDS[kind]} adapter '{name}'; {suggestion(name, known)}")
    feeds_back = kind == "sources" and name not in _files("sources")
    found: type[Any] = getattr(_module("email", name), FEEDBACK) if feeds_back else _module(kind, name).Adapter
    return found


def variable(instance_name: str, field_name: str) -> str:
    """The environment variable of a setting: `('web-site', 'secret')` is `DRIPLINE_WEB_SITE_SECRET`."""
    return f"DRIPLINE_{instance_name}_{field_name}".upper().replace("-", "_")


@overload
def build(
    kind: Literal["sources"], adapter_name: str, instance_name: str, values: Mapping[str, str], **given: Any
) -> Source: ...
@overload
def build(
    kind: Literal["email"], adapter_name: str, instance_name: str, values: Mapping[str, str], **given: Any
) -> EmailProvider: ...
@overload
def build(
    kind: Literal["crm"], adapter_name: str, instance_name: str, values: Mapping[str, str], **given: Any
) -> Crm: ...
@overload
def build(
    kind: Literal["hooks"], adapter_name: str, instance_name: str, values: Mapping[str, str], **given: Any
) -> Hook: ...
@overload
def build(
    kind: Literal["inbound"], adapter_name: str, instance_name: str, values: Mapping[str, str], **given: Any
) -> Inbox: ...
def build(kind: Kind, adapter_name: str, instance_name: str, values: Mapping[str, str], **given: Any) -> Any:
    """A ready adapter.

    Args:
        kind: `sources`, `email`, `crm` or `hooks`.
        adapter_name: its file name.
        instance_name: what its variables are named after: the source's own name, else the adapter's.
        values: variables by full name (`DRIPLINE_SMTP_HOST`); an empty one counts as not set.
        **given: fields by name that do not come from the environment: `options` from the rule files, a `clock`; also
            a plain field, which then is not looked up in `values`.

    Raises:
        ConfigurationError: no such adapter, a setting missing or unusable, or an option that the adapter refuses.
    """
    cls = adapter(kind, adapter_name)
    fields = {each.name: each for each in dataclasses.fields(cls) if each.init}
    given = _without_empty_options(fields, given)
    refuse_unknown(f"setting of the {KINDS[kind]} adapter '{adapter_name}'", given, fields.keys())
    arguments = dict(given)
    for name, each in fields.items():
        if name not in given and (read := READERS.get(_annotation(each))):
            arguments |= _from_environment(each, variable(instance_name, name), values, read)
    try:
        return cls(**arguments)
    except ConfigurationError as error:
        if not error.field:
            raise
        raise ConfigurationError(f"{variable(instance_name, error.field)} {error.text}") from error


def check_options(kind: Kind, name: str, options: Mapping[str, Any]) -> None:
    """See whether an adapter takes these options; no setting has to be there for that.

    Raises:
        ConfigurationError: there is no such adapter, or it refuses an option; then `option` says which.
    """
    cls = adapter(kind, name)
    fields = {each.name: each for each in dataclasses.fields(cls) if each.init}
    if "options" in _without_empty_options(fields, {"options": options}):
        cls.read_options(options)


def lead_fields(kind: Kind, name: str, options: Mapping[str, Any]) -> Mapping[tuple[str, ...], str]:
    """The lead fields that an adapter fills by its options, by the keys that lead to each name.

    Args:
        kind: of the adapter.
        name: of it.
        options: such as `check_options` has found right.
    """
    named = getattr(adapter(kind, name), "lead_fields", None)
    return named(options) if named is not None else {}


def _without_empty_options(fields: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """An adapter without options takes an empty mapping of them, so that callers need not know."""
    if "options" in fields or "options" not in given:
        return given
    options = given["options"]
    if options:
        names_ = sorted(map(str, options))
        raise ConfigurationError(f"this adapter takes no options; remove {', '.join(names_)}.", option=(names_[0],))
    return {name: value for name, value in given.items() if name != "options"}


def _from_environment(
    field: dataclasses.Field[Any], name: str, values: Mapping[str, str], read: Reader
) -> dict[str, Any]:
    text = values.get(name, "")
    if text:
        try:
            return {field.name: read.convert(text)}
        except ValueError as error:
            raise ConfigurationError(f"{name} cannot be read: write {read.wanted}.") from error
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        raise ConfigurationError(_missing(name, values, read.wanted))
    return {}


def _missing(name: str, values: Mapping[str, str], wanted: str) -> str:
    typed = nearest(name, (each for each in values if each != name))
    hint = f" ({typed} is set; was this one meant?)" if typed else ""
    return f"{name} is not set{hint}; set it to {wanted}."


def _annotation(field: dataclasses.Field[Any]) -> str:
    """The field's type as written; a string under `from __future__ import annotations`, else a class."""
    written = field.type
    return written.__name__ if isinstance(written, type) else str(written)


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """How a setting's text becomes a value. `convert` raises ValueError for what is not `wanted`."""

    convert: Callable[[str], Any]
    wanted: str


def _boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if text.strip().lower() not in words:
        raise ValueError(text)
    return words[text.strip().lower()]


def _duration(text: str) -> timedelta:
    text = text.strip()
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}.get(text[-1:])
    amount = float(text[:-1] if unit else text)
    try:
        return timedelta(seconds=amount * (unit or 1))
    except OverflowError as error:
        raise ValueError(text) from error


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


READERS: Final[Mapping[str, Reader]] = {
    "str": Reader(str, "a text"),
    "int": Reader(int, "a whole number"),
    "float": Reader(float, "a number"),
    "bool": Reader(_boolean, "true or false"),
    "tuple[str, ...]": Reader(_words, "words, separated by blanks or commas"),
    "timedelta": Reader(_duration, "seconds, or a number with a unit (90s, 5m, 2h, 1d)"),
    "Path": Reader(Path, "a path"),
}
"""By annotation: the fields that the environment fills, and how."""

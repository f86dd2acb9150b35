"""What rule files may name and cannot declare: the adapters that are installed. Whoever knows them hands them in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping


@dataclass(frozen=True, slots=True)
class Mistake:
    """Why an adapter refuses its options.

    Attributes:
        keys: lead to the option that is wrong; empty if it is none in particular.
        text: what is wrong, one sentence without a full stop.
        hint: what to do about it; may be empty.
    """

    keys: tuple[str, ...]
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Installed:
    """The adapters of this installation.

    Attributes:
        sources: names of the adapters for webhook sources.
        crms: names of the CRMs.
        hooks: names of the adapters for outgoing webhooks.
        providers: names of the adapters for e-mail providers.
        refusal: given the name of a source adapter and the options in the rules, why it refuses them, or None.
        fields: given the same, the lead fields that the options name, by the keys that lead to each.
    """

    sources: Collection[str]
    crms: Collection[str]
    hooks: Collection[str]
    providers: Collection[str]
    refusal: Callable[[str, Mapping[str, Any]], Mistake | None]
    fields: Callable[[str, Mapping[str, Any]], Mapping[tuple[str, ...], str]] = lambda _, __: {}


def adapter_of(hook: str, adapters: Collection[str]) -> str | None:
    """The adapter of a hook: of its very name, or of the name that stands before a dash (`slack-sales`); or None."""
    longest = sorted(adapters, key=len, reverse=True)
    return next((name for name in longest if hook == name or hook.startswith(f"{name}-")), None)

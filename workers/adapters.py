"""The adapters of this process: built from settings when first needed, kept, shared by threads."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from integrations import discovery
from integrations.exceptions import ConfigurationError as AdapterConfigurationError
from workers.delivery.routing import Routes
from workers.exceptions import ConfigurationError
from workers.rulebook import Installed, Mistake
from workers.rulebook.installed import adapter_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from integrations.contracts import Crm, EmailProvider, Hook, Inbox, Source
    from workers.clock import Clock
    from workers.config import Settings
    from workers.engine.rules import Route, SourceSpec

T = TypeVar("T")
MAILBOX: Final = "mailbox"
NO_EMAIL: Final = (
    "DRIPLINE_EMAIL is not set; set it to smtp, or to mailbox if mails are to be kept in the data folder and to reach "
    "nobody. (`dripline dev` takes mailbox by itself.)"
)
NO_INBOX: Final = (
    "DRIPLINE_INBOUND is not set; set it to imap, with DRIPLINE_IMAP_HOST, DRIPLINE_IMAP_USER and "
    "DRIPLINE_IMAP_PASSWORD, or to maildir, with DRIPLINE_MAILDIR_PATH."
)


class Adapters:
    """Who we talk to.

    Args:
        settings: names the e-mail provider and holds everybody's variables.
        clock: for adapters that write or check times.
        email: an e-mail provider instead of the one in the settings.
        values: variables of adapters by full name, added to those in the settings.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        email: EmailProvider | None = None,
        values: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._values = {**settings.adapters, **(values or {})}
        self._lock = Lock()
        self._built: dict[tuple[str, str], Any] = {("email", settings.email): email} if email else {}

    @property
    def email_name(self) -> str:
        """The e-mail provider's name, as it stands in the outbox."""
        return self._settings.email

    def routes(self, routes: Sequence[Route], categories: Mapping[str, str] | None = None) -> Routes:
        """Who sends which mail. The mailbox is where no mail reaches anybody, so no rules lead out of it."""
        default = self._settings.email
        return Routes(() if default == MAILBOX else routes, default, categories or {})

    def email(self, name: str = "") -> EmailProvider:
        """An e-mail provider, whose name is its adapter's (`smtp`), or begins with that (`smtp-backup`); that of the
        settings, if none is named.

        Raises:
            ConfigurationError: none is chosen, there is none of that name, or a setting of its is missing or unusable.
        """
        name = name or self._settings.email
        if not name:
            raise ConfigurationError(NO_EMAIL)
        adapter = adapter_of(name, discovery.names("email")) or name
        given = self._given("email", adapter)
        if adapter == MAILBOX and not self._values.get(discovery.variable(name, "folder")):
            given["folder"] = self._settings.data_dir / name
        return self._once("email", name, lambda: discovery.build("email", adapter, name, self._values, **given))

    def crm(self, name: str) -> Crm:
        """The CRM of that name.

        Raises:
            ConfigurationError: there is none, or a setting of its is missing or unusable.
        """
        given = self._given("crm", name)
        return self._once("crm", name, lambda: discovery.build("crm", name, name, self._values, **given))

    def hook(self, name: str) -> Hook:
        """The outgoing webhook of that name, which is its adapter's (`slack`), or begins with that (`slack-sales`).

        Raises:
            ConfigurationError: there is none, or a setting of its is missing or unusable.
        """
        adapter = adapter_of(name, discovery.names("hooks")) or name
        given = self._given("hooks", adapter)
        return self._once("hooks", name, lambda: discovery.build("hooks", adapter, name, self._values, **given))

    def inbox(self) -> Inbox:
        """The mailbox that bounces and answers come back to.

        Raises:
            ConfigurationError: none is chosen, there is none of that name, or a setting of its is missing or unusable.
        """
        name = self._settings.inbound
        if not name:
            raise ConfigurationError(NO_INBOX)
        return self._once("inbound", name, lambda: discovery.build("inbound", name, name, self._values))

    def source(self, spec: SourceSpec) -> Source:
        """The webhook source that a rulebook declares; not kept, because the next rulebook may declare it otherwise.

        Raises:
            ConfigurationError: its adapter does not exist, or refuses its settings or options.
        """
        given = self._given("sources", spec.adapter) | {"options": spec.options}
        with _ours(f"source {spec.name}"):
            return discovery.build("sources", spec.adapter, spec.name, self._values, **given)

    def takes_key(self, provider: str) -> bool:
        """True if handing the same key to this provider again is harmless; False also if nobody knows it."""
        if adapter_of(provider, discovery.names("hooks")):
            return self._hook_takes_key(provider)
        for kind in ("email", "crm"):
            if (kind, provider) in self._built:
                return bool(self._built[kind, provider].takes_key)
        if adapter := adapter_of(provider, discovery.names("email")):
            return bool(discovery.adapter("email", adapter).takes_key)
        return provider in discovery.names("crm") and bool(discovery.adapter("crm", provider).takes_key)

    def _hook_takes_key(self, name: str) -> bool:
        """What the receiver's settings say of it."""
        try:
            return self.hook(name).takes_key
        except ConfigurationError:
            return False

    def close(self) -> None:
        """Give back all connections."""
        with self._lock:
            for adapter in self._built.values():
                adapter.close()
            self._built.clear()

    def _once(self, kind: str, name: str, build: Callable[[], T]) -> T:
        with self._lock:
            if (kind, name) not in self._built:
                with _ours(name):
                    self._built[kind, name] = build()
            built: T = self._built[kind, name]
        return built

    def _given(self, kind: discovery.Kind, name: str) -> dict[str, Any]:
        with _ours(name):
            fields = {each.name for each in dataclasses.fields(discovery.adapter(kind, name)) if each.init}
        return {"clock": self._clock} if "clock" in fields else {}


def installed() -> Installed:
    """The adapters that rules may name."""
    sources, crms, hooks, providers = (discovery.names(kind) for kind in ("sources", "crm", "hooks", "email"))
    return Installed(sources, crms, hooks, providers, _refusal, _fields)


def _fields(adapter: str, options: Mapping[str, Any]) -> Mapping[tuple[str, ...], str]:
    return discovery.lead_fields("sources", adapter, options)


def _refusal(adapter: str, options: Mapping[str, Any]) -> Mistake | None:
    try:
        discovery.check_options("sources", adapter, options)
    except AdapterConfigurationError as error:
        text, _, hint = error.text.rstrip(".").partition("; ")
        return Mistake(error.option, text, hint)
    return None


@contextmanager
def _ours(name: str) -> Iterator[None]:
    """Turn a configuration error of the integrations into ours; `name` says whose it is."""
    try:
        yield
    except AdapterConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from error

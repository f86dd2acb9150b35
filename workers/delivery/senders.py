"""What a channel does with one outbox row: look whether it may go, make it ready, hand it to the adapter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from integrations.contracts import (
    Accepted,
    BatchProvider,
    FindingProvider,
    ForgetfulProvider,
    Message,
    Person,
    Promotion,
)
from integrations.exceptions import Unavailable
from workers.delivery.compose import is_address
from workers.engine.categories import NO_CONSENT
from workers.exceptions import ConfigurationError, RenderError, StoreUnavailable
from workers.log import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from integrations.contracts import Crm, EmailProvider, Hook, Mail
    from workers.delivery.compose import Composer
    from workers.rulebook.sandbox import Stands
    from workers.store.outbox import Channel, Claim


log = get_logger(__name__)

NEVER: Final = timedelta(0)
FOR_EVER: Final = timedelta.max
"""How long a key is known again."""
REFUSALS: Final = {NO_CONSENT: "the person did not ask for mail of this category, or does not want it any more"}


@dataclass(frozen=True, slots=True)
class Skip:
    """This row is not to go out.

    Attributes:
        reason: a constant word to count by.
        detail: a sentence for a person.
    """

    reason: str
    detail: str = ""


class NotConfigured(Unavailable):
    """Nobody can be asked before a person has set something; the text says what."""


@dataclass(frozen=True, slots=True)
class Ready:
    """This row can go out now.

    Attributes:
        send: hands it over; raises what the adapter raises.
        remark: what a person should know though it goes out.
        mail: what goes out, where several may go in one call.
    """

    send: Callable[[], Accepted]
    remark: str = ""
    mail: Mail | None = None


class Sender(Protocol):
    """One channel. Threads share it."""

    channel: Channel
    provider: str | None
    """Who sends all rows of this channel; None if each row says it, or has a `line`."""

    @property
    def finders(self) -> Mapping[str, FindingProvider]:
        """Who can be asked whether they have a mail, by name."""

    def line(self, claim: Claim) -> Sequence[str]:
        """Who may take a row, the first choice first."""

    def batch(self, provider: str) -> BatchProvider | None:
        """The provider, if it takes several mails in a call; None if each goes by itself."""

    def key_kept(self, provider: str) -> timedelta:
        """For how long handing the same key to this provider again is harmless: not at all, for a time, or for ever."""

    def asks(self, claim: Claim) -> bool:
        """True if what goes out depends on where the lead stands, so that `prepare` wants its whole state."""

    def prepare(self, claim: Claim, suppressed: str) -> Ready | Skip:
        """Everything but the sending; `suppressed` is why the address may not be mailed now, or empty."""


class Named:
    """For channels whose rows each name the one who is to have them."""

    finders: Mapping[str, FindingProvider] = MappingProxyType({})

    def line(self, claim: Claim) -> Sequence[str]:
        """See `Sender.line`."""
        return (claim.provider,) if claim.provider else ()

    def batch(self, provider: str) -> None:
        """See `Sender.batch`."""

    def asks(self, claim: Claim) -> bool:  # noqa: ARG002  (the engine has written down all that goes out)
        """See `Sender.asks`."""
        return False


class EmailSender:
    """Mails by one provider.

    Args:
        name: the provider's, as it stands in the outbox.
        composer: by rulebook version and template: the templates in force if they have that one, else those of the
            version that decided to send it.
    """

    channel: Channel = "email"

    def __init__(self, name: str, provider: EmailProvider, composer: Callable[[str, str], Composer]) -> None:
        self.provider: str | None = name
        self._adapter = provider
        self._composer = composer
        self._batch = provider if isinstance(provider, BatchProvider) else None
        self.finders: Mapping[str, FindingProvider] = {name: provider} if isinstance(provider, FindingProvider) else {}

    def line(self, claim: Claim) -> Sequence[str]:  # noqa: ARG002  (all go the same way)
        """See `Sender.line`."""
        return (self.provider,) if self.provider else ()

    def batch(self, provider: str) -> BatchProvider | None:
        """See `Sender.batch`."""
        return self._batch if provider == self.provider else None

    def key_kept(self, provider: str) -> timedelta:
        """See `Sender.key_kept`."""
        if provider != self.provider or not self._adapter.takes_key:
            return NEVER
        return self._adapter.key_kept if isinstance(self._adapter, ForgetfulProvider) else FOR_EVER

    def asks(self, claim: Claim) -> bool:
        """See `Sender.asks`."""
        template = claim.payload.get("template")
        return template is not None and self._composer(claim.version, str(template)).asks(str(template))

    def prepare(self, claim: Claim, suppressed: str) -> Ready | Skip:
        """See `Sender.prepare`."""
        if "to" in claim.payload:
            return self._prepare_notice(claim)
        template = str(claim.payload["template"])
        composer = self._composer(claim.version, template)
        if reason := composer.barred(template, suppressed, claim.consents):
            return Skip(reason, REFUSALS.get(reason, "the address is on the suppression list"))
        if not is_address(claim.email):
            return Skip("bad-email" if claim.email else "no-email", "the lead has no address that could be written to")
        fields = claim.fields if claim.state is None else claim.state.get("fields", {})  # as old as where it stands
        lead, confirms = {**fields, "email": claim.email}, str(claim.payload.get("confirms", ""))
        try:
            stands = standing(composer, claim)
            mail = composer.compose(claim.key, claim.lead_id, template, lead, confirms, stands=stands)
        except RenderError as error:
            return Skip("template", str(error))
        return Ready(lambda: self._adapter.send(mail), mail=mail)

    def _prepare_notice(self, claim: Claim) -> Ready | Skip:
        """A message to a colleague: what the lead has asked of us does not concern it."""
        to, subject, text = (str(claim.payload[part]) for part in ("to", "subject", "text"))
        if not is_address(to):
            return Skip("bad-email", f"{to!r}, whom the rules name, is no address")
        mail = self._composer("", "").notice(claim.key, to, subject, text)
        return Ready(lambda: self._adapter.send(mail), mail=mail)


def standing(composer: Composer, claim: Claim) -> Stands | None:
    """Where the lead of a mail stands; None if the mail does not ask.

    Raises:
        NewerState: a newer version of this program wrote the state. Its own processes send the mail.
    """
    return None if claim.state is None else composer.standing(claim.state)


class CrmSender(Named):
    """Promotions to whichever CRM each of them names.

    Args:
        crm: the adapter of that name; raises if it is not configured.
        takes_key: of a CRM's name.
        composer: by rulebook version, for hand-off notes; raises `RenderError` for one that can't be used any more.
    """

    channel: Channel = "crm"
    provider: str | None = None

    def __init__(
        self, crm: Callable[[str], Crm], takes_key: Callable[[str], bool], composer: Callable[[str], Composer]
    ) -> None:
        self._crm = crm
        self._takes_key = takes_key
        self._composer = composer

    def key_kept(self, provider: str) -> timedelta:
        """See `Sender.key_kept`."""
        return FOR_EVER if self._takes_key(provider) else NEVER

    def prepare(self, claim: Claim, suppressed: str) -> Ready:  # noqa: ARG002  (a salesperson may call who is not mailed)
        """See `Sender.prepare`."""
        opportunity = claim.payload["opportunity"]
        note, remark = self._note(claim, opportunity)
        promotion = read_promotion(claim.key, {**opportunity, "note": note})
        return Ready(lambda: self._promote(claim.provider or "", promotion), remark=remark)

    def _note(self, claim: Claim, opportunity: Mapping[str, Any]) -> tuple[str, str]:
        """The hand-off note, and what went wrong with it. The rules that promoted the lead say what it reads like.

        Facts and templates stay as they were at that instant, so every try hands over the same.
        """
        template, built_in = opportunity.get("note_template"), opportunity["note"]
        if not template:
            return built_in, ""
        try:
            return self._composer(claim.version).note(template, opportunity.get("facts") or {}), ""
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is: sales get the lead, with the built-in note
            log.warning("note_not_rendered", outbox=claim.id, template=template, reason=str(error))
            return built_in, f"the built-in note went out, because {error}"

    def _promote(self, crm: str, promotion: Promotion) -> Accepted:
        try:
            adapter = self._crm(crm)
        except ConfigurationError as error:
            raise NotConfigured(str(error)) from error
        return adapter.promote(promotion)


class HookSender(Named):
    """Webhooks to whichever receiver each of them names.

    Args:
        hook: the adapter of that name; raises if it is not configured.
        takes_key: of a hook's name.
    """

    channel: Channel = "webhook"
    provider: str | None = None

    def __init__(self, hook: Callable[[str], Hook], takes_key: Callable[[str], bool]) -> None:
        self._hook = hook
        self._takes_key = takes_key

    def key_kept(self, provider: str) -> timedelta:
        """See `Sender.key_kept`."""
        return FOR_EVER if self._takes_key(provider) else NEVER

    def prepare(self, claim: Claim, suppressed: str) -> Ready:  # noqa: ARG002  (no mail goes to the lead)
        """See `Sender.prepare`."""
        message = Message(claim.key, claim.payload)
        return Ready(lambda: self._post(claim.provider or "", message))

    def _post(self, name: str, message: Message) -> Accepted:
        try:
            adapter = self._hook(name)
        except ConfigurationError as error:  # a person has to set something; the message is not given up for that
            raise Unavailable(str(error)) from error
        return adapter.post(message)


def read_promotion(key: str, opportunity: Mapping[str, Any]) -> Promotion:
    """The hand-off that the engine finished (`workers.engine.promotion`), from its JSON."""
    amount, close_on = opportunity["amount"], opportunity["close_on"]
    return Promotion(
        key=key,
        person=Person(**opportunity["person"]),
        name=opportunity["name"],
        pipeline=opportunity["pipeline"],
        stage=opportunity["stage"],
        amount=None if amount is None else Decimal(amount),
        currency=opportunity["currency"],
        close_on=None if close_on is None else date.fromisoformat(close_on),
        owner=opportunity["owner"],
        note=opportunity["note"],
    )

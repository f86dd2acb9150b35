"""Everything that can go wrong between us and somebody else's service, each with one meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import timedelta

LONGEST_TEXT: Final = 1000


def _safe(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text[:LONGEST_TEXT])


class IntegrationError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(IntegrationError):
    """An adapter's settings are missing or unusable; the message names the exact setting.

    Args:
        text: the whole message; or, with `field`, what comes after the setting's name ("is no public key; …").
        field: the adapter's field that is wrong, which `discovery.build` turns into the name of its variable.
        option: keys that lead to the option that is wrong (`("types", "signup")`), so that its place in a rule file can
            be shown.
    """

    def __init__(self, text: str, field: str = "", option: tuple[str, ...] = ()) -> None:
        super().__init__(f"{field} {text}" if field else text)
        self.text = text
        self.field = field
        self.option = option


class BadSignature(IntegrationError):
    """A delivery does not carry the signature its source promised: answered 401, nothing is stored."""


class Unverifiable(IntegrationError):
    """Whether a delivery is its source's cannot be told now: answered 503, so that it is sent again."""


class Malformed(IntegrationError):
    """A delivery whose signature is right but whose body is not what the source sends: answered 400."""


class Unusable(IntegrationError):
    """One part of a verified delivery cannot become an event; becomes a `contracts.Unreadable` with the same words.

    Args:
        reason: a constant word to count by (`no-identity`).
        detail: a sentence for a person, naming the field.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class DeliveryError(IntegrationError):
    """Base of the three outcomes of a call that did not succeed.

    Args:
        text: what happened. The other side's own words may stand in it, so it is cut to `LONGEST_TEXT` characters, and
            what is not printable (a database takes no NUL) becomes a blank.
    """

    def __init__(self, text: str) -> None:
        super().__init__(_safe(text))


class Rejected(DeliveryError):
    """The other side understood and said no; saying it again would get the same answer.

    Args:
        code: the other side's own word for it (`550`, `VALIDATION_ERROR`), short enough to count by.
        text: the other side's own sentence.
    """

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = _safe(code)
        self.text = _safe(text)


class Unavailable(DeliveryError):
    """The other side provably did not take it and may take it later.

    Args:
        text: what happened.
        retry_after: how long the other side asked us to wait, if it did.
    """

    def __init__(self, text: str, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class NotBegun(Unavailable):
    """Others were before it and took long: it was not tried, and may go as soon as its person was looked up again."""


class Unknown(DeliveryError):
    """The request left and no answer came that could be understood: it may or may not have been done."""

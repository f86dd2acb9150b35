"""Every error that this package raises on purpose; one base, one meaning each."""

from __future__ import annotations


class DriplineError(Exception):
    """Base of all errors of this package; its text is written for the person at the keyboard."""


class ConfigurationError(DriplineError):
    """A setting is missing or unusable; the message names the setting and what to write."""


class RulebookError(DriplineError):
    """Rule files that `check` refuses were about to be used. `problems` are its findings, at least one."""

    def __init__(self, problems: tuple[object, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class ExpressionError(DriplineError):
    """A rule expression that cannot be compiled.

    Args:
        text: what is wrong, one sentence.
        hint: what to write instead, one sentence, or empty.
        offset: column in the expression, from 0.
        code: a constant word for the kind of mistake.
    """

    def __init__(self, text: str, hint: str = "", offset: int = 0, code: str = "expression") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint
        self.offset = offset
        self.code = code


class NoRulebook(DriplineError):
    """The store holds no rulebook yet; `dripline apply` puts one there."""


class NoSuchCampaign(DriplineError):
    """Neither the rules in force nor anybody's past know a campaign of that name."""


class StoreUnavailable(DriplineError):
    """PostgreSQL cannot be reached or refused the work for now; trying again later is right."""


class NotMigrated(StoreUnavailable):
    """PostgreSQL answers, but has not the tables of this version; `dripline migrate` makes them."""


class NewerState(StoreUnavailable):
    """A newer version of this program has written what is known of a lead; its own processes go on with it."""


class Overloaded(DriplineError):
    """More deliveries wait to be committed than may wait; the sender is asked to come back."""


class RenderError(DriplineError):
    """A template cannot be rendered for this lead; the mail is skipped with this reason, never sent broken."""


class BadToken(DriplineError):
    """A link's token is not one that we signed; the page it leads to does not exist."""


class NeedsHistory(DriplineError):
    """The state of a lead can't tell exactly what an event means; count the lead anew from its whole event log."""

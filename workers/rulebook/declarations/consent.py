"""Which marketing mail there is, and what people have to have said before they get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from workers.rulebook.shape import HOLE, NAME, Shape, Source, Text, about

CATEGORY: Final = "consent:\n  webinars:\n    name: Webinars\n    description: Invitations\n    lawful_basis: consent"


@dataclass(frozen=True)
class ConsentSign(Shape):
    """An event by which somebody gives consent: a form with its box ticked."""

    title = "how consent is given"
    frame = f"{CATEGORY}\n    given_by:\n      - {HOLE}"
    event: Text = field(metadata=about("the type of event", example="form.submitted"))
    text: Text = field(
        metadata=about(
            "the text beside the box, word for word: it goes into the record", example="Invite me to webinars"
        )
    )
    when: Source | None = field(
        default=None, metadata=about("only if this is true", example='event.form == "newsletter"')
    )


@dataclass(frozen=True)
class Category(Shape):
    """A category of marketing mail. People choose among them in the preference centre; a mail says which one it is of
    by `topic` in its front matter. The category `marketing` is that of mails which name none.
    """

    title = "a category of mail"
    frame = f"consent:\n  webinars:\n    {HOLE}"
    name: Text = field(metadata=about("what people read in the preference centre", example="Webinars"))
    description: Text = field(
        metadata=about("a sentence about what they get, and how often", example="An invitation a month, at most")
    )
    lawful_basis: Literal["consent", "legitimate_interest", "contract"] = field(
        metadata=about(
            "`consent`: nobody gets it before they have said so; otherwise everybody until they object",
            example="consent",
        )
    )
    double_opt_in: bool = field(
        default=False,
        metadata=about("whether consent has to be confirmed by a link that is mailed", example="false"),
    )
    given_by: list[ConsentSign] = field(
        default_factory=list,
        metadata=about(
            "what counts as consent, beside the event `consent.given`", single=True,
            example="[{event: form.submitted, text: Invite me to webinars}]",
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class Confirmation(Shape):
    """The mail that asks to confirm."""

    title = "the confirmation mail"
    frame = f"{CATEGORY}\nconfirmation:\n  {HOLE}"
    template: Text = field(
        metadata=about("a transactional mail with `{{ confirm_url }}` in it", example="consent/confirm")
    )
    at_most: int = field(
        default=3, metadata=about("so many to one person for one category", least=1, most=100, example="3")
    )
    within: timedelta = field(
        default=timedelta(days=30),
        metadata=about("in this time", least=timedelta(minutes=1), most=timedelta(days=366), example="30 days"),
    )


@dataclass(frozen=True)
class SoftBounces(Shape):
    """Soft bounces may be over tomorrow; after enough of them the address is given up."""

    title = "soft bounces"
    frame = f"{CATEGORY}\nsoft_bounces:\n  {HOLE}"
    at_most: int = field(metadata=about("with so many of them nothing more is mailed", least=1, most=100, example="5"))
    within: timedelta = field(
        metadata=about(
            "if they come in this time", least=timedelta(minutes=1), most=timedelta(days=366), example="30 days"
        )
    )


@dataclass(frozen=True)
class ConsentFile(Shape):
    """`consent.yaml`: the categories of marketing mail. There is one. Without it all marketing mail is one category,
    which everybody gets until they unsubscribe.
    """

    title = "the file of consent"
    consent: dict[Text, Category] = field(
        metadata=about(
            "categories by name", pattern=NAME,
            example="{webinars: {name: Webinars, description: Invitations, lawful_basis: consent}}",
        )
    )  # fmt: skip
    confirmation: Confirmation | None = field(
        default=None, metadata=about("the mail that asks to confirm", example="{template: consent/confirm}")
    )
    soft_bounces: SoftBounces | None = field(
        default=None,
        metadata=about("when an address is given up that bounces softly", example="{at_most: 5, within: 30 days}"),
    )

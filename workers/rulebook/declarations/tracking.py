"""What is told of how mails are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from workers.rulebook.shape import HOLE, WORD, Shape, Source, Text, about


@dataclass(frozen=True)
class Tracking(Shape):
    """Whether links lead through us and a picture tells of the opening. Without a file that says so nothing is tracked.
    Links and pictures that machines fetch are told apart, see `machines`.
    """

    title = "tracking"
    frame = f"tracking:\n  {HOLE}"
    shown = ("clicks",)
    clicks: bool = field(default=False, metadata=about("whether links tell that they were followed", example="true"))
    opens: bool = field(default=False, metadata=about("whether a picture tells of the opening", example="true"))
    consent: Source | None = field(
        default=None,
        metadata=about("track only mails to leads for whom this is true", example='lead.country not in ["DE", "FR"]'),
    )
    untracked: list[Text] = field(
        default_factory=list,
        metadata=about("mails in which nothing is tracked", single=True, example="[trial/first-steps]"),
    )
    utm: dict[str, str] = field(
        default_factory=dict,
        metadata=about(
            "`utm_` parameters that every link gets; `{campaign}` and `{template}` stand for their names", pattern=WORD,
            example='{source: newsletter, medium: email, campaign: "{campaign}"}',
        ),
    )  # fmt: skip
    url: Text | None = field(
        default=None,
        metadata=about(
            "own domain for links; default: the address of the web process",
            pattern=(r"https?://[^\s/]+(/[^\s?#]*)?", "https:// and a domain"),
            example="https://links.acme.example",
        ),
    )


@dataclass(frozen=True)
class TrackingFile(Shape):
    """What is told of how mails are read."""

    title = "what is tracked"
    tracking: Tracking = field(metadata=about("what is told of how mails are read"))

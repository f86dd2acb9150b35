"""What a change of the rules is called in a dry run: the smallest part that differs, before and after."""

from __future__ import annotations

import pytest

from tests.workers.rulebook.full import FULL
from workers.reports.changes import changes
from workers.rulebook import compile_rulebook

CAPPED = FULL | {"rules/caps.yaml": "caps: [{limit: 3 per week}, {limit: 1 per day, category: marketing}]\n"}
BEFORE = compile_rulebook(CAPPED)


def told(path: str, *edits: str) -> list[str]:
    """What is said of an edit of one file, one line for each part."""
    text = CAPPED[path]
    for old, new in zip(edits[::2], edits[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    found = changes(BEFORE, compile_rulebook(CAPPED | {path: text}))
    return [
        f"{each.kind} {each.name} {' '.join(filter(None, part))}" if part else f"{each.what} {each.kind} {each.name}"
        for each in found
        for part in each.details or ((),)
    ]


@pytest.mark.parametrize(
    ("path", "edits", "expected"),
    [
        (
            "rules/promotion.yaml",
            ("seats: lead.seats >= 5", "seats: lead.seats >= 50", "weight: 2", "weight: 3"),
            [
                "promotion promotion evidence seats lead.seats >= 5 lead.seats >= 50",
                "promotion promotion owners ana@acme.example weight 2 3",
            ],
        ),
        ("rules/lifecycle.yaml", ("reason: asleep", "reason: gone"), ["stage disqualified reason asleep gone"]),
        ("rules/events.yaml", ("plan: text", "plan: url"), ["event trial.started plan text url"]),
        ("rules/caps.yaml", ("3 per week", "4 per week"), ["cap all mail in 7 days most 3 4"]),
        ("rules/caps.yaml", (", {limit: 1 per day, category: marketing}", ""), ["removed cap marketing in 1 day"]),
        ("rules/machines.yaml", ("1 day", "2 days"), ["machine credit_within 1 day 2 days"]),
        (
            "rules/consent.yaml",
            ("description: Invitations", "description: Sometimes"),
            ["consent webinars description Invitations Sometimes"],
        ),
        (
            "rules/consent.yaml",
            ("text: Invite me", "text: Do invite me"),
            ["consent webinars signs form.submitted text Invite me Do invite me"],
        ),
    ],
)  # fmt: skip
def test_the_smallest_part_that_differs_is_named(path: str, edits: tuple[str, ...], expected: list[str]):
    assert told(path, *edits) == expected

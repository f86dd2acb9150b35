"""Random stories of campaigns: what they do, how they are edited, when they are paused, what the lead does meanwhile.

Every step that sends has a template of its own, which it keeps when an edit gives it another id. So whoever gets a
template twice in one run was mailed a step twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONES: Final = ("Asia/Tokyo", "America/New_York", "Europe/Berlin", "Pacific/Chatham")
NAMES: Final = ("one", "two")
KINDS: Final = ("send", "wait", "send", "until-event", "send", "till", "until-age", "set", "date", "branch", "split")
HOURS: Final = (1, 3, 10, 25, 49, 80)
PAUSES: Final = (0, 1, 5, 20, 30, 60)
"""Hours between two things that happen."""
EDITS: Final = ("rotate", "rename", "remove", "insert", "rotate", "swap", "change", "hours")
HAPPENS: Final = (
    "rules",
    "click",
    "look",
    "pause",
    "rules",
    "reply",
    "pause",
    "click",
    "look",
    "rules",
    "move",
    "start",
)
CAPS: Final = (None, "1 per day", "3 per week", "2 per week", "1 per day, skip")


@dataclass(slots=True)
class Node:
    """A step of a campaign that is being written; `inner` are the steps on its ways."""

    number: int
    id: str
    kind: str
    size: int
    inner: list[list[Node]] = field(default_factory=list)

    def flat(self) -> Iterator[Node]:
        yield self
        for block in self.inner:
            for node in block:
                yield from node.flat()

    def written(self) -> dict[str, Any]:
        first, second = ([each.written() for each in block] for block in (*self.inner, [], [])[:2])
        ways = {key: steps for key, steps in (("then", first), ("else", second)) if steps}
        hours = f"{self.size} hours"
        match self.kind:
            case "send":
                step: dict[str, Any] = {"send": f"t{self.number}"}
            case "wait":
                step = {"wait": f"{self.size % 3 + 1} business days" if self.size % 4 == 0 else hours}
            case "until-event":
                step = {"wait_until": {"event": "email.clicked", "at_most": hours}, **ways}
            case "until-age":
                when = f'days_since("trial.started") >= {self.size / 24:.2f}'
                step = {"wait_until": {"when": when, "at_most": f"{self.size + 20} hours"}, **ways}
            case "till":
                step = {"wait_till": f"{self.size % 24:02}:30"}
            case "date":
                step = {"wait_date": {"field": "renewal", "before": hours}}
            case "branch":
                either = {"when": 'lead.country == "DE"', "steps": first or [{"end": "done"}]}
                step = {"branch": [either, *([{"else": second}] if second else [])]}
            case "split":
                empty = [{"wait": "1 hour", "id": f"{self.id}-x"}]
                step = {"split": {"arms": {"x": {"steps": first or empty}, "y": {"steps": second or [{"end": "no"}]}}}}
            case _:
                step = {"set_field": {"field": "mood", "value": "good" if self.size % 2 else "bad"}}
        return {**step, "id": self.id}


@dataclass(slots=True)
class Draft:
    """A campaign that is being written."""

    name: str
    steps: list[Node]
    quiet: tuple[int, int] | None
    business: bool
    keyed: bool
    again: str
    edit: str = "pin"
    moves: dict[str, str] = field(default_factory=dict)

    def flat(self) -> list[Node]:
        return [node for step in self.steps for node in step.flat()]

    def written(self) -> str:
        quiet = self.quiet and {"from": f"{self.quiet[0]:02}:00", "to": f"{self.quiet[1]:02}:00"}
        told = {
            "campaign": self.name, "enter": {"event": "trial.started"}, "again": self.again, "key": "event.plan",
            "exit": {"event": "email.replied"}, "priority": NAMES.index(self.name), "quiet_hours": quiet,
            "send_on": "business days", "edit": {"move": self.moves} if self.moves else self.edit,
            "steps": [step.written() for step in self.steps],
        }  # fmt: skip
        left_out = {"quiet_hours": quiet is None, "send_on": not self.business, "key": not self.keyed}
        return json.dumps({key: value for key, value in told.items() if not left_out.get(key)})


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens so many hours after what happened before."""

    after: int
    what: str
    given: Any = None


@st.composite
def blocks(draw: Any, numbers: list[int], depth: int = 0) -> list[Node]:
    size = draw(st.integers(1, 2) if depth else st.integers(3, 6))
    return [draw(nodes(numbers, depth)) for _ in range(size)]


@st.composite
def nodes(draw: Any, numbers: list[int], depth: int = 0) -> Node:
    numbers.append(len(numbers))
    node = Node(numbers[-1], f"s{numbers[-1]}", draw(st.sampled_from(KINDS)), draw(st.sampled_from(HOURS)))
    if depth == 0 and node.kind in {"until-event", "until-age", "branch", "split"}:
        node.inner = [draw(blocks(numbers, 1)) for _ in range(draw(st.integers(0, 2)))]
    return node


@st.composite
def drafts(draw: Any, name: str, numbers: list[int]) -> Draft:
    hours = st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda pair: pair[0] != pair[1])
    return Draft(
        name, draw(blocks(numbers)), draw(st.none() | st.just((20, 8)) | hours), draw(st.booleans()),
        draw(st.booleans()), draw(st.sampled_from(["never", "1 day"])),
    )  # fmt: skip


@st.composite
def edited(draw: Any, draft: Draft, numbers: list[int], ids: list[int]) -> Draft:
    """The same campaign after somebody has been at it."""
    before = {node.id for node in draft.flat()}
    new = Draft(
        draft.name, copied(draft.steps), draft.quiet, draft.business, draft.keyed, draft.again,
        draw(st.sampled_from(["move", "move", "move", "pin", "drain"])),
    )  # fmt: skip
    renamed: dict[str, str] = {}
    for what in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=4)):
        change(draw, new, what, renamed, (numbers, ids))
    if not new.steps:
        new.steps = [draw(nodes(numbers))]
    if new.edit == "move":
        here = [node.id for node in new.flat()]
        gone = sorted(before - set(here))
        new.moves = {old: renamed[old] for old in gone if renamed.get(old) in here}
        for old in gone:
            if old not in new.moves and draw(st.integers(0, 3)):
                new.moves[old] = draw(st.sampled_from(here))
    return new


def change(draw: Any, draft: Draft, what: str, renamed: dict[str, str], used: tuple[list[int], list[int]]) -> None:
    """One thing that somebody does to a campaign."""
    numbers, ids = used
    steps = draft.steps
    where = draw(st.integers(0, max(0, len(steps) - 1)))
    if what == "insert":
        steps.insert(where, draw(nodes(numbers)))
    elif what == "hours":
        draft.quiet, draft.business = draw(st.none() | st.just((20, 8))), draw(st.booleans())
    elif what == "swap":
        draft.steps = draw(st.permutations(steps))
    elif what == "rotate":  # what has been done comes last
        draft.steps = [*steps[where:], *steps[:where]]
    elif steps and what == "remove":
        del steps[where]
    elif steps and what == "rename":
        for node in draft.flat() if draw(st.booleans()) else [draw(st.sampled_from(draft.flat()))]:
            ids.append(len(ids))
            old, node.id = node.id, f"r{ids[-1]}"
            renamed[next((first for first, last in renamed.items() if last == old), old)] = node.id
    elif steps:
        node = draw(st.sampled_from(steps))
        numbers.append(len(numbers))
        node.number, node.kind, node.size = numbers[-1], draw(st.sampled_from(KINDS[:8])), draw(st.sampled_from(HOURS))
        node.inner = []


def copied(steps: list[Node]) -> list[Node]:
    return [Node(node.number, node.id, node.kind, node.size, [copied(block) for block in node.inner]) for node in steps]


@st.composite
def stories(draw: Any) -> tuple[int, list[Action]]:
    """How many hours late the lead is looked at, and what happens; the first is that the rules are published."""
    numbers: list[int] = []
    ids: list[int] = []
    now = {name: draw(drafts(name, numbers)) for name in NAMES[: draw(st.integers(1, 2))]}
    cap = draw(st.sampled_from(CAPS))
    actions = [Action(0, "rules", (cap, [draft.written() for draft in now.values()])), Action(0, "start", "p")]
    paused: set[str] = set()
    for word in draw(st.lists(st.sampled_from(HAPPENS), min_size=5, max_size=12)):
        given: Any = None
        if word == "rules":
            name = draw(st.sampled_from(sorted(now)))
            now[name] = draw(edited(now[name], numbers, ids))
            cap = draw(st.sampled_from([cap, cap, *CAPS]))
            given = cap, [draft.written() for draft in now.values() if draw(st.integers(0, 9)) < 9]
        elif word == "start":
            given = draw(st.sampled_from("pq"))
        elif word == "move":
            given = {"time_zone": draw(st.sampled_from(ZONES)), "country": draw(st.sampled_from(["DE", "US"])),
                     "renewal": f"2026-01-{draw(st.integers(6, 28)):02}"}  # fmt: skip
        elif word == "pause":
            given = draw(st.sampled_from(NAMES))
            paused ^= {given}
        elif word == "click":
            given = draw(st.integers(1, 3))
        what = "resume" if word == "pause" and given not in paused else word
        actions.append(Action(draw(st.sampled_from(PAUSES)), what, given))
    return draw(st.sampled_from([0, 0, 1, 13, 30])), actions

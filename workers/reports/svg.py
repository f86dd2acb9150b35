"""A campaign as an SVG picture: boxes from top to bottom, ways side by side, joined where they meet again.

It needs no script and no font of its own, and is drawn from the steps alone: a step whose ways lead to different steps
has a column for each, as wide as the ways inside it need.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.sax.saxutils import escape

from workers.reports.sketch import BEGIN, Box, boxes, label, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.reports.progress import Progress, StepProgress

WIDTH: Final = 284
"""Of a box, in pixels."""
GAP: Final = 36
"""Between columns."""
DROP: Final = 34
"""Between boxes above each other."""
FORK: Final = 64
"""Below a box from which several ways lead on: room for their labels."""
LINE: Final = 17
PADDING: Final = 12
MARGIN: Final = 28
TITLE: Final = 31
"""Characters of a title that fit into a line of a box, in a wide font; two lines are shown."""
SMALL: Final = 38
"""Characters of the smaller lines."""
COLOURS: Final = {
    "begin": ("#e5f5ea", "#2f8f4e"), "mail": ("#e7effd", "#3b6fd4"), "wait": ("#fff6df", "#c9951a"),
    "choice": ("#f1e9fd", "#7c4fd0"), "deed": ("#f1f2f5", "#828b9b"), "end": ("#e5f5ea", "#2f8f4e"),
}  # fmt: skip
STYLE: Final = """
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1c2333; }
.head { font-size: 20px; font-weight: 600; }
.sum { font-size: 13px; fill: #4a5366; }
.title { font-size: 13px; font-weight: 600; }
.line { font-size: 12px; fill: #4a5366; }
.way { font-size: 11.5px; fill: #4a5366; }
.here { font-size: 11.5px; font-weight: 600; fill: #ffffff; }
.arrow { fill: none; stroke: #9aa3b2; stroke-width: 1.5; }
"""

Point = tuple[float, float]


class Column(NamedTuple):
    """A strip of the page, from top to bottom."""

    left: float
    width: float

    @property
    def middle(self) -> float:
        """Where its boxes have their middle."""
        return self.left + self.width / 2


class Ends(NamedTuple):
    """Lines that still have to lead somewhere, and how far down the page is full."""

    points: list[Point]
    bottom: float


@dataclass(slots=True)
class Canvas:
    """What was drawn so far."""

    lines: list[str] = field(default_factory=list)
    shapes: list[str] = field(default_factory=list)
    bottom: float = 0.0

    def text(self, x: float, y: float, told: str, style: str, anchor: str = "start") -> None:
        """Write a line."""
        self.shapes.append(f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(told)}</text>')

    def arrow(self, start: Point, end: Point, *, head: bool = True) -> None:
        """Draw a line down, aside, and down again."""
        (x1, y1), (x2, y2) = start, end
        turn = y2 - 16
        bend = f"V{turn:g} H{x2:g} " if x1 != x2 else ""
        tip = ' marker-end="url(#tip)"' if head else ""
        self.lines.append(f'<path class="arrow" d="M{x1:g} {y1:g} {bend}V{y2:g}"{tip}/>')


def svg(progress: Progress) -> str:
    """The whole picture."""
    plan = Plan(progress)
    canvas = Canvas()
    width = max(plan.width(plan.first, ""), 2) * (WIDTH + GAP) - GAP + 2 * MARGIN
    canvas.text(MARGIN, MARGIN + 14, progress.name, "head")
    top = MARGIN + 24.0
    for told in summary(progress):
        top += LINE + 3
        canvas.text(MARGIN, top, shortened(told, int(width // 8)), "sum")
    plan.draw(canvas, Column(MARGIN, width - 2 * MARGIN), top + DROP)
    height = canvas.bottom + MARGIN
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#9aa3b2"/></marker>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img"><title>{escape(progress.name)}</title>'
        f"<defs>{tip}<style>{STYLE}</style></defs>"
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>'
    )
    return "\n".join([head, *canvas.lines, *canvas.shapes, "</svg>\n"])


class Plan:
    """Where everything goes."""

    def __init__(self, progress: Progress) -> None:
        self._steps = {step.id: step for step in progress.steps}
        self._boxes = {box.id: box for box in boxes(progress)}
        self._finished = progress.finished.get("", 0)
        self.first = progress.steps[0].id if progress.steps else ""

    # ── how wide ─────────────────────────────────────────────────────────────────────────────────────────────

    def chain(self, start: str, end: str) -> Iterator[StepProgress]:
        """The steps from one on, until another; what is inside them is beside them."""
        here = start
        while here and here != end:
            step = self._steps[here]
            yield step
            if step.word == "end":
                return
            here = step.after

    def width(self, start: str, end: str) -> int:
        """Columns that a chain needs."""
        return max((sum(self.columns(step)) for step in self.chain(start, end)), default=1)

    def columns(self, step: StepProgress) -> list[int]:
        """Columns that each way on from a step needs."""
        return [self.width(way.to, step.after) for way in step.ways] if len(step.ways) > 1 else [1]

    # ── where ────────────────────────────────────────────────────────────────────────────────────────────────

    def draw(self, canvas: Canvas, column: Column, top: float) -> None:
        """Draw all of it into a column of the page."""
        bottom = self.box(canvas, self._boxes[BEGIN], column.middle, top)
        ends = self.steps(canvas, (self.first, ""), column, Ends([(column.middle, bottom)], bottom))
        canvas.bottom = ends.bottom
        if ends.points:
            done = Box("done", "end", "end", (f"{self._finished:,} finished",), 0)
            canvas.bottom = self.below(canvas, done, column, ends)

    def steps(self, canvas: Canvas, part: tuple[str, str], column: Column, ends: Ends) -> Ends:
        """Draw a part of the journey, from one step until another, below its open ends."""
        for step in self.chain(*part):
            bottom = self.below(canvas, self._boxes[step.id], column, ends)
            ends = Ends([] if step.word == "end" else [(column.middle, bottom)], bottom)
            if len(step.ways) > 1:
                ends = self.fork(canvas, step, column, bottom)
        return ends

    def fork(self, canvas: Canvas, step: StepProgress, column: Column, top: float) -> Ends:
        """Draw the ways on from a step beside each other."""
        columns = self.columns(step)
        left, each, start = column.left, column.width / sum(columns), top + FORK - DROP
        ends = Ends([], start)
        for way, wide in zip(step.ways, columns, strict=True):
            own = Column(left, each * wide)
            self.way(canvas, label(way, step), (column.middle, top), (own.middle, start))
            drawn = self.steps(canvas, (way.to, step.after), own, Ends([(own.middle, start)], start))
            ends = Ends(ends.points + drawn.points, max(ends.bottom, drawn.bottom))
            left += own.width
        return ends

    def way(self, canvas: Canvas, told: str, start: Point, end: Point) -> None:
        """Draw the beginning of a way, with what is to be said about it."""
        canvas.arrow(start, end, head=False)
        canvas.text(end[0] + 6, end[1] + 6, shortened(told, SMALL - 6), "way")

    def below(self, canvas: Canvas, box: Box, column: Column, ends: Ends) -> float:
        """Draw a box below open ends that all lead to it; returns where it ends."""
        top = ends.bottom + DROP
        for start in ends.points:
            canvas.arrow(start, (column.middle, top))
        return self.box(canvas, box, column.middle, top)

    def box(self, canvas: Canvas, box: Box, middle: float, top: float) -> float:
        """Draw a box; returns where it ends."""
        title = wrapped(box.title, TITLE)
        lines = [part for line in box.lines for part in wrapped(line, SMALL)]
        height = 2 * PADDING + LINE * (len(title) + len(lines)) - 4
        left, (fill, stroke) = middle - WIDTH / 2, COLOURS[box.kind]
        corner = 18 if box.kind in {"begin", "end"} else 7
        canvas.shapes.append(
            f'<rect x="{left:g}" y="{top:g}" width="{WIDTH}" height="{height:g}" rx="{corner}" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="1.4"><title>{escape(f"{box.id} {box.title}".strip())}</title></rect>'
        )
        below = top + PADDING + 10
        for text, style in [*((each, "title") for each in title), *((each, "line") for each in lines)]:
            canvas.text(left + 14, below, text, style)
            below += LINE
        if box.here:
            badge(canvas, f"{box.here:,} waiting", left + WIDTH, top, stroke)
        return top + height


def badge(canvas: Canvas, told: str, right: float, middle: float, colour: str) -> None:
    """Say at the corner of a box how many are there."""
    width = 7.2 * len(told) + 14
    left = right - width + 10
    canvas.shapes.append(
        f'<rect x="{left:g}" y="{middle - 10:g}" width="{width:g}" height="20" rx="10" fill="{colour}"/>'
    )
    canvas.text(left + width / 2, middle + 4, told, "here", "middle")


def wrapped(told: str, most: int) -> list[str]:
    """Text on one line or two."""
    if len(told) <= most:
        return [told]
    cut = max(told.rfind(" · ", 0, most), told.rfind(" ", 0, most) if " · " not in told else 0)
    cut = cut if cut > most // 3 else most
    return [told[:cut], shortened(told[cut:].removeprefix(" · ").strip(), most)]


def shortened(told: str, most: int) -> str:
    """Text that fits."""
    return told if len(told) <= most else f"{told[: most - 1]}…"

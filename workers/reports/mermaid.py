"""A campaign as a Mermaid flow chart: text that git hosts and wikis draw (https://mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.reports.sketch import arrows, boxes, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.reports.progress import Progress
    from workers.reports.sketch import Box

SHAPES: Final = {
    "begin": ("([", "])"), "mail": ("[", "]"), "wait": ("(", ")"), "choice": ("{{", "}}"), "deed": ("[[", "]]"),
    "end": ("([", "])"),
}  # fmt: skip
END: Final = "done"
STYLES: Final = (
    "classDef mail fill:#e7effd,stroke:#3b6fd4,color:#1c2333",
    "classDef wait fill:#fff6df,stroke:#c9951a,color:#1c2333",
    "classDef choice fill:#f1e9fd,stroke:#7c4fd0,color:#1c2333",
    "classDef begin fill:#e5f5ea,stroke:#2f8f4e,color:#1c2333",
    "classDef end_ fill:#e5f5ea,stroke:#2f8f4e,color:#1c2333",
    "classDef deed fill:#f1f2f5,stroke:#828b9b,color:#1c2333",
)


def mermaid(progress: Progress) -> str:
    """The whole chart."""
    return "\n".join(lines(progress)) + "\n"


def lines(progress: Progress) -> Iterator[str]:
    """Line by line."""
    yield "flowchart TD"
    for told in summary(progress):
        yield f"  %% {told}"
    names = {box.id: f"s{number}" for number, box in enumerate(boxes(progress))}
    for box in boxes(progress):
        opening, closing = SHAPES[box.kind]
        style = "end_" if box.kind == "end" else box.kind
        yield f'  {names[box.id]}{opening}"{text(box)}"{closing}:::{style}'
    leads = list(arrows(progress))
    if any(arrow.to == "" for arrow in leads):
        finished = progress.finished.get("", 0)
        yield f'  {END}(["end<br/>{finished:,} finished"]):::end_'
    for arrow in leads:
        way = f'-->|"{escaped(arrow.label)}"|' if arrow.label else "-->"
        yield f"  {names[arrow.start]} {way} {names[arrow.to] if arrow.to else END}"
    yield from (f"  {style}" for style in STYLES)


def text(box: Box) -> str:
    """What stands in a box."""
    told = [f"<b>{escaped(box.title)}</b>", *map(escaped, box.lines)]
    if box.here:
        told.append(f"{box.here:,} waiting")
    return "<br/>".join(told)


def escaped(told: str) -> str:
    """Text as Mermaid takes it inside quotation marks."""
    for character, entity in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        told = told.replace(character, entity)
    return told

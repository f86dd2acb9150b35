"""Which layout each file of a mail is set into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.rulebook.mail.files import TEXT, layout_path, markup_path
from workers.rulebook.mail.head import read_head
from workers.rulebook.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping


def layouts_of(files: Mapping[str, str]) -> dict[str, str]:
    """The layout's file for each file that is set into one; paths are below `templates/`."""
    found: dict[str, str] = {}
    for path, text in files.items():
        name, _, file = path.rpartition("/")
        if file != f"mail{TEXT}" or not (layout := _layout(path, text)):
            continue
        own = [path, *([markup] if (markup := markup_path(name, files)) else [])]
        found |= {each: there for each in own if (there := layout_path(layout, each)) in files}
    return found


def _layout(path: str, text: str) -> str:
    """What the front matter names; empty for none, and where it cannot be read, which is a finding of its own."""
    head = read_head(path, text, Problems())
    return str(head.layout) if head and head.layout else ""

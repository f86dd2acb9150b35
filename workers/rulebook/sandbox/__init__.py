"""The Jinja2 that mails are written in: one language for `check`, which reads templates, and delivery, which renders.

Templates come from people who edit files; the values in them come from strangers. The values are data and are never
compiled. What is bounded here is the template itself, so that a slip in one mail cannot stop a worker: it can use only
the filters, tests, functions and methods that `words` lists, nothing is computed while it is compiled, and everything
it does while it is rendered is paid for from one budget (`meter`).
"""

from __future__ import annotations

from workers.rulebook.sandbox.environment import CONTENT, MOST_CHARACTERS, BoundedEnvironment, Fields, Lines, render
from workers.rulebook.sandbox.standing import ASKED, Stands, answers

__all__ = [
    "ASKED", "CONTENT", "MOST_CHARACTERS", "BoundedEnvironment", "Fields", "Lines", "Stands", "answers", "render",
]  # fmt: skip

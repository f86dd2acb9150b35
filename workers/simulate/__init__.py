"""A virtual clock over the engine: the same decisions as in the running system, in memory, without any server.

result = run(events, rulebook, until=None)     # `events` by the instant at which each was heard
result.decisions, result.mails, result.promotions, result.people
"""

from __future__ import annotations

from workers.simulate.clock import Result, no_collector, run
from workers.simulate.heard import BadLine, Heard, read_line
from workers.simulate.population import Mail, Person, Population, Promotion

__all__ = [
    "BadLine",
    "Heard",
    "Mail",
    "Person",
    "Population",
    "Promotion",
    "Result",
    "no_collector",
    "read_line",
    "run",
]

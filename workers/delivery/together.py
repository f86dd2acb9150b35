"""Rows that leave in one call, where the provider takes several; elsewhere each leaves as soon as it is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from integrations.exceptions import NotBegun
from workers.delivery.attempts import Attempt, hand_over, judge, make_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from integrations.contracts import Accepted, BatchProvider, Mail
    from workers.delivery.attempts import Policy
    from workers.delivery.senders import Ready, Sender
    from workers.store.outbox import Claim

LONGEST: Final = 0.03
"""Seconds that a row waits for company; what is known of its person's refusals must not grow old meanwhile."""


class Together:
    """The rows of a chunk on their way out."""

    def __init__(self, sender: Sender, policy: Policy) -> None:
        self._sender = sender
        self._policy = policy
        self._done: list[tuple[Claim, Attempt]] = []
        self._waiting: dict[str, list[tuple[Claim, Ready]]] = {}
        self._since = 0.0
        self._behind: dict[int, tuple[Claim, Ready]] = {}
        self._made: dict[int, tuple[Claim, Ready]] = {}

    def add(self, claim: Claim, now: datetime) -> None:
        """Make a row ready.

        Raises:
            StoreUnavailable: see `make_ready`; the row is not taken.
        """
        before, ready = self._made.get(claim.id, (None, None))
        # If nobody has said anything since it was left behind, it is what it was.
        made = ready if ready and before == claim else make_ready(self._sender, claim, claim.suppressed, now)
        if isinstance(made, Attempt):
            self._done.append((claim, made))
            return
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.setdefault(claim.provider or "", []).append((claim, made))

    @property
    def full(self) -> bool:
        """True if those that wait should leave: no more fit in a call, or the first has waited long enough."""
        return any(len(rows) >= self._most(name) for name, rows in self._waiting.items()) or (
            time.monotonic() - self._since > LONGEST
        )

    def _most(self, provider: str) -> int:
        """How many rows one call of this provider takes."""
        batch = self._sender.batch(provider)
        return batch.most if batch else 1

    def leave(self, now: datetime) -> list[tuple[Claim, Attempt]]:
        """Let those that wait leave; what became of all that were added since the last time."""
        waiting, self._waiting = self._waiting, {}
        done, self._done = self._done, []
        for number, (provider, rows) in enumerate(waiting.items()):
            if number and time.monotonic() - self._since > 2 * LONGEST:  # whom those before had to wait for
                self._behind.update((claim.id, (claim, ready)) for claim, ready in rows)
                continue
            batch = self._sender.batch(provider)
            done += self._leave_together(batch, rows, now) if batch else self._leave_alone(rows, now)
        return done

    def behind(self) -> list[Claim]:
        """Those whose turn did not come in time: not tried, and to be looked up anew before they are added again."""
        self._made, self._behind = self._behind, {}
        return [claim for claim, _ in self._made.values()]

    def _leave_alone(self, waiting: Sequence[tuple[Claim, Ready]], now: datetime) -> list[tuple[Claim, Attempt]]:
        return [(claim, hand_over(self._sender, ready, claim, self._policy, now)) for claim, ready in waiting]

    def _leave_together(
        self, batch: BatchProvider, waiting: Sequence[tuple[Claim, Ready]], now: datetime
    ) -> Iterator[tuple[Claim, Attempt]]:
        results = _send(batch, [ready.mail for _, ready in waiting if ready.mail])
        for (claim, ready), result in zip(waiting, results, strict=True):
            if isinstance(result, NotBegun):
                self._behind[claim.id] = claim, ready
            else:
                yield claim, judge(self._sender, claim, result, self._policy, now, remark=ready.remark)


def _send(batch: BatchProvider, mails: Sequence[Mail]) -> Sequence[Accepted | Exception]:
    try:
        results = batch.send_many(mails)
    except Exception as error:  # noqa: BLE001  an adapter's own mistake: any of them may have left
        return [error] * len(mails)
    if len(results) == len(mails):
        return results
    return [ValueError(f"the adapter told of {len(results)} mails, and {len(mails)} were sent")] * len(mails)

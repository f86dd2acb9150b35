"""The committer by itself, with a journal that does what the test says."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from integrations.contracts import Request
from tests.conftest import NOW
from tests.workers.web.support import event
from workers.exceptions import Overloaded, StoreUnavailable
from workers.web.commit import NOT_STORABLE, Committer, Delivery, Receipt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence


class Journal:
    """Notes what it is given; waits while its gate is closed; fails as told."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.refused: list[tuple[str, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.away = False
        self.full = False

    def write(self, deliveries: Sequence[Delivery]) -> tuple[list[Receipt], Collection[int]]:
        self.entered.release()
        assert self.gate.wait(10)
        if self.away:
            raise StoreUnavailable("PostgreSQL is away")
        self.refused += [(each.source, each.refused[0]) for each in deliveries if each.refused]
        if self.full and any(each.refused for each in deliveries):
            raise RuntimeError("the quarantine is broken")
        ids = [incoming.event_id for each in deliveries for incoming in each.events]
        if "bad" in ids:
            raise ValueError("bad data")
        self.groups.append(ids)
        return [Receipt(accepted=len(e.events), quarantined=bool(e.refused)) for e in deliveries], {len(ids)}


def delivery(*ids: str, body: bytes = b"") -> Delivery:
    request = Request("POST", "http://x", {}, body, NOW)
    return Delivery("plain", request, events=[event(each, NOW) for each in ids])


def run(test: Callable[[Committer, Journal], Awaitable[Any]], **settings: Any) -> tuple[Journal, list[Any]]:
    """Run a coroutine with a started committer; returns the journal, and the slices that were told."""
    journal, told = Journal(), []

    async def main() -> None:
        committer = Committer(journal, told.append, **settings)
        await committer.start()
        try:
            await asyncio.wait_for(test(committer, journal), 10)
        finally:
            journal.gate.set()
            await committer.close()

    asyncio.run(main())
    return journal, told


async def behind_a_closed_gate(
    committer: Committer, journal: Journal, *deliveries: Delivery
) -> list[asyncio.Task[Receipt]]:
    """The first delivery is being written and does not come back; the others wait."""
    journal.gate.clear()
    tasks = [asyncio.create_task(committer.submit(deliveries[0]))]
    await asyncio.to_thread(journal.entered.acquire)
    tasks += [asyncio.create_task(committer.submit(each)) for each in deliveries[1:]]
    await asyncio.sleep(0)
    return tasks


def test_those_who_wait_share_the_next_commit() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), delivery("b", "c"), delivery("d"))
        assert committer.waiting == 2
        journal.gate.set()
        assert await asyncio.gather(*tasks) == [Receipt(1), Receipt(2), Receipt(1)]

    journal, told = run(test)
    assert journal.groups == [["a"], ["b", "c", "d"]]
    assert told == [{1}, {3}]


def test_a_group_has_its_bounds_and_a_larger_delivery_goes_alone() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        waiting = [delivery("b"), delivery("c"), delivery("d", "e", "f"), delivery("g")]
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), *waiting)
        journal.gate.set()
        await asyncio.gather(*tasks)

    assert run(test, most_events=2)[0].groups == [["a"], ["b", "c"], ["d", "e", "f"], ["g"]]


@pytest.mark.parametrize("guilty", range(5))
def test_only_the_guilty_pays(guilty: int) -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        names = ["b", "c", "d", "e", "f"]
        names[guilty] = "bad"
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), *(delivery(each) for each in names))
        journal.gate.set()
        expected = [Receipt(1)] * 6
        expected[1 + guilty] = Receipt(quarantined=1)
        assert await asyncio.gather(*tasks) == expected

    journal, _ = run(test)
    assert not any("bad" in group for group in journal.groups)
    assert journal.refused == [("plain", NOT_STORABLE)]


def test_a_store_that_cannot_even_keep_the_bytes_is_not_the_senders_fault() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        journal.full = True
        with pytest.raises(StoreUnavailable):
            await committer.submit(delivery("bad"))
        assert await committer.submit(delivery("a")) == Receipt(1)

    run(test)


def test_all_hear_at_once_that_the_database_is_away_and_again_that_it_is_back() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        journal.away = True
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), delivery("b"), delivery("c"))
        journal.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in outcomes] == [StoreUnavailable] * 3
        journal.away = False
        assert await committer.submit(delivery("d")) == Receipt(1)

    run(test)


def test_a_database_that_hangs_is_not_waited_for() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), delivery("b"))
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in outcomes] == [StoreUnavailable] * 2
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(committer.submit(delivery("c")), 0.05)
        journal.gate.set()
        while True:  # until the lane is free again
            try:
                assert await committer.submit(delivery("d")) == Receipt(1)
            except StoreUnavailable:
                await asyncio.sleep(0.01)
            else:
                return

    assert run(test, patience=0.1)[0].groups == [["a"], ["d"]]


def test_while_one_lane_hangs_the_other_works() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        [stuck] = await behind_a_closed_gate(committer, journal, delivery("a"))
        with pytest.raises(StoreUnavailable):
            await stuck
        held = journal.gate
        journal.gate = threading.Event()
        journal.gate.set()
        assert await committer.submit(delivery("b")) == Receipt(1)
        held.set()

    run(test, patience=0.1, lanes=2)


def test_too_much_waiting_is_refused() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        big = b"x" * 3000
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), delivery("b", body=big))
        with pytest.raises(Overloaded):
            await committer.submit(delivery("c", body=big))
        tasks.append(asyncio.create_task(committer.submit(delivery("d"))))
        await asyncio.sleep(0)
        journal.gate.set()
        await asyncio.gather(*tasks)
        assert await committer.submit(delivery("e", body=b"x" * 9000)) == Receipt(1)  # never more than may wait alone

    run(test, most_waiting=6000)


def test_one_who_leaves_disturbs_nobody() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), delivery("b"), delivery("c"))
        tasks[0].cancel()
        tasks[1].cancel()
        journal.gate.set()
        assert await tasks[2] == Receipt(1)

    assert run(test)[0].groups == [["a"], ["b", "c"]]


def test_closing_commits_what_still_waits() -> None:
    async def test(committer: Committer, journal: Journal) -> None:
        tasks = await behind_a_closed_gate(committer, journal, delivery("a"), delivery("b"))
        closing = asyncio.create_task(committer.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable):
            await committer.submit(delivery("c"))
        journal.gate.set()
        await closing
        assert await asyncio.gather(*tasks) == [Receipt(1)] * 2

    run(test)

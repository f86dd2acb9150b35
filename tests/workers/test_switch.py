"""Changing the rules while workers run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import pytest
from sqlalchemy import text

from tests.conftest import connected
from tests.workers.changing import LATER, World
from tests.workers.processing import append, event
from workers.clock import SteppedClock
from workers.pipeline import process_slice
from workers.store import status
from workers.store.rulebooks import Rulebooks
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Engine

    from workers.engine.rules import Rulebook

NAMES = [f"email:p{n}@acme.test" for n in range(40)]


class Workers:
    """Threads that process whatever is due, each with rules of its own as processes have."""

    def __init__(self, engine: Engine, compile_: Callable[[Mapping[str, str]], Rulebook]) -> None:
        self.stop = threading.Event()
        self.failures: list[BaseException] = []
        self._engine = engine
        self._compile = compile_
        self._threads = [threading.Thread(target=self._run) for _ in range(3)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        rules = Rulebooks(self._compile)
        try:
            while not self.stop.is_set():
                for slice_ in range(SLICES):
                    process_slice(self._engine, slice_, rules, SteppedClock(LATER), batch=5)
        except BaseException as error:  # noqa: BLE001  a thread's error fails the test
            self.failures.append(error)

    def until(self, world: World, condition: Callable[[], bool]) -> None:
        """Let them work, with a clock that sweeps, until it holds."""
        for _ in range(600):
            if condition():
                return
            assert not self.failures
            world.sweep()
            self.stop.wait(0.02)
        pytest.fail("not within twelve seconds")


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


@pytest.fixture
def workers(database_url: str, world: World) -> Iterator[Workers]:
    with connected(database_url) as engine, Workers(engine, world.compiled) as running:
        yield running


def backlog(world: World) -> int:
    with world.engine.connect() as conn:
        return status.read(conn, LATER).backlog


def scorings(world: World) -> set[str]:
    return {world.state(name).scoring for name in NAMES}


def test_running_workers_switch_between_batches_and_a_refused_version_changes_nothing(world: World, workers: Workers):
    steps = [("old", "s-old"), ("new", "s-new"), ("broken", "s-new"), ("old", "s-old")]
    for number, (name, scoring) in enumerate(steps):
        world.apply(name)
        append(world.engine, *(event(1000 * number + n, who) for n, who in enumerate(NAMES)))
        workers.until(world, lambda: backlog(world) == 0)
        workers.until(world, lambda expected=scoring: scorings(world) == {expected})
    assert workers.failures == []
    for name in NAMES:
        assert world.state(name).events == len(steps)
        assert world.score("old", name) == pytest.approx(20, abs=2)
    with world.engine.connect() as conn:
        used = conn.scalars(text("SELECT version FROM rulebook_versions WHERE id IN (SELECT rulebook FROM decisions)"))
        assert set(used) == {"old", "new"}

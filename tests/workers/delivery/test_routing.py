"""Mail through several providers: who sends what, and who takes over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contracts import Accepted, Trace
from integrations.exceptions import Rejected, Unavailable, Unknown
from tests.conftest import NOW
from tests.workers.delivery.world import COMPOSER, Killed, Scripted, World
from tests.workers.rulebook.base import BASE
from workers.delivery.attempts import NOT_CONFIGURED
from workers.delivery.health import IN_A_ROW
from workers.delivery.limits import SECOND
from workers.delivery.routing import RoutedSender, Routes, chosen, following
from workers.delivery.senders import EmailSender
from workers.engine.rules import RateLimit, Sending
from workers.rulebook import compile_rulebook
from workers.store import evidence, outbox
from workers.store.evidence import Evidence
from workers.store.outbox import Claim, Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine

    from workers.delivery.deliver import Run
    from workers.engine.rules import Route

RULES = """\
sending:
  routes:
    - {category: transactional, domain: [gmail.com, bücher.example], through: [third]}
    - {category: transactional, through: [second, first]}
    - {domain: slow.test, through: third}
"""
KINDS = {"receipt": "transactional", "plain": "marketing"}


def routes_of(text: str) -> tuple[Route, ...]:
    return compile_rulebook(BASE | {"rules/sending.yaml": text}).sending.routes


BOTH = routes_of("sending: {routes: {through: [first, second]}}")


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def sender_of(
    providers: Mapping[str, Any], routes: tuple[Route, ...] = BOTH, missing: Mapping[str, str] | None = None
) -> RoutedSender:
    senders = {name: EmailSender(name, each, lambda _version, _template: COMPOSER) for name, each in providers.items()}
    return RoutedSender(Routes(routes, "first", KINDS), senders, missing or {})


def run(world: World, *providers: Scripted, sending: Sending | None = None) -> Run:
    named = dict(zip(("first", "second", "third"), providers, strict=False))
    return world.deliverer.run(sender_of(named), sending or Sending())


def busy(times: int) -> list[Exception | Callable[[], None]]:
    return [Unavailable("busy") for _ in range(times)]


# ── who sends what ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "email", "line"),
    [
        ("receipt", "ann@gmail.com", ["third"]),
        ("receipt", "ann@Bücher.example", ["third"]),
        ("receipt", "ann@xn--bcher-kva.example", ["third"]),
        ("receipt", "ann@acme.test", ["second", "first"]),
        ("receipt", "ann@slow.test", ["second", "first"]),
        ("plain", "ann@slow.test", ["third"]),
        ("plain", "ann@gmail.com", ["first"]),
        ("gone", "ann@slow.test", ["third"]),
        ("receipt", None, ["second", "first"]),
    ],
)
def test_the_first_route_that_fits_a_mail_is_its_own(name: str, email: str | None, line: list[str]):
    claim = Claim(1, "k", "email", 1, {"template": name}, 1, 1, None, "", email, {}, "", NOW)
    assert list(Routes(routes_of(RULES), "first", KINDS).line(claim)) == line


def test_a_message_to_a_colleague_is_of_no_category():
    payload = {"to": "cal@slow.test", "subject": "Hot", "text": "Call Ann"}
    claim = Claim(1, "k", "email", 1, payload, 1, 1, None, "", "ann@gmail.com", {}, "", NOW)
    assert list(Routes(routes_of(RULES), "first", KINDS).line(claim)) == ["third"]


def test_each_mail_goes_through_its_own_provider_and_its_row_says_so(world: World):
    for number, template in enumerate(["plain", "receipt", "plain", "receipt"], 1):
        world.lead(number, email=f"ann{number}@acme.test")
        world.put(Effect(f"mail:{number}:c:1:s", "email", number, {"template": template}))
    first, second = Scripted(), Scripted()
    world.deliverer.run(sender_of({"first": first, "second": second}, routes_of(RULES)))
    assert [row.provider for row in world.rows()] == ["first", "second", "first", "second"]
    assert (len(first.got), len(second.got)) == (2, 2)


def test_limits_are_those_of_the_provider_that_sends(world: World):
    world.mails(3)
    sending = Sending((RateLimit("provider", "first", 1, 3600 * SECOND),))
    states = run(world, Scripted(busy(1)), Scripted(), sending=sending).states
    assert states["sent"] == 1  # by the second; the others wait for the first, and a limit makes nobody take over
    assert states["untried"] >= 2


# ── who takes over ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_first_did_not_take_goes_by_the_second_at_once(world: World):
    world.mails(1)
    first, second = Scripted(busy(1)), Scripted()
    assert run(world, first, second).states == {"retry": 1, "sent": 1}
    row = world.row()
    assert (row.state, row.provider, row.attempts) == ("sent", "second", 1)
    assert (first.got, [mail.key for mail in second.got]) == ([], [row.key])


def test_the_mail_is_the_same_whoever_sends_it(world: World):
    world.mails(1)
    seen: list[Any] = []

    class Watched(Scripted):
        def send(self, thing: Any) -> Accepted:
            seen.append(thing)
            return super().send(thing)

    run(world, Watched(busy(1)), Watched())
    assert len(seen) == 2
    assert seen[0] == seen[1]


def test_a_mail_of_unknown_outcome_never_changes_hands(world: World):
    world.mails(1)
    second = Scripted()
    assert run(world, Scripted([Unknown("no answer")]), second).states == {"ambiguous": 1}
    for _ in range(5):
        world.step(hours=1)
        run(world, Scripted(busy(9)), second)
    assert (world.row().state, second.got) == ("ambiguous", [])


def test_not_even_if_the_provider_that_may_have_it_takes_keys_and_keeps_failing(world: World):
    world.mails(1)
    first, second = Scripted([Unknown("no answer"), *busy(9)], takes_key=True), Scripted(takes_key=True)
    for _ in range(9):
        run(world, first, second)
        world.step(hours=1)
    assert (world.row().state, world.row().provider, second.got) == ("ambiguous", "first", [])


def test_nor_does_one_that_was_refused_for_its_own_sake(world: World):
    world.mails(1)
    second = Scripted()
    assert run(world, Scripted([Rejected("550", "no such person")]), second).states == {"dead": 1}
    assert second.got == []


def test_after_everybody_the_schedule_says_when_the_first_is_asked_again(world: World):
    world.mails(1)
    first, second = Scripted(busy(2)), Scripted(busy(2))
    for wait in (5, 60):
        run(world, first, second)
        assert (world.row().state, world.row().due_at) == ("retry", world.clock() + timedelta(seconds=wait))
        assert run(world, first, second).states == {}
        world.step(seconds=wait)
    assert run(world, first, second).states == {"sent": 1}
    assert (world.row().provider, world.row().attempts) == ("first", 3)


def test_it_is_given_up_once_everybody_was_asked_often_enough(world: World):
    world.mails(1)
    for _ in range(9):
        run(world, Scripted(busy(9)), Scripted(busy(9)))
        world.step(hours=1)
    assert (world.row().state, world.row().reason, world.row().attempts) == ("dead", "exhausted", 3)


def test_a_provider_that_keeps_failing_is_left_alone_and_the_second_has_its_mail(world: World):
    world.mails(30)
    first, second = Scripted(busy(99)), Scripted()
    run(world, first, second)
    assert len(second.got) == 30
    assert {row.state for row in world.rows()} == {"sent"}
    assert 99 - len(first.script) == IN_A_ROW


def test_and_has_it_again_when_it_is_well(world: World):
    world.mails(4)
    first, second = Scripted(busy(IN_A_ROW)), Scripted()
    run(world, first, second)
    world.step(seconds=6)
    world.lead(9, email="bob@acme.test")
    world.put(Effect("mail:9:c:1:s", "email", 9, {"template": "plain"}))
    run(world, first, second)
    assert [row.provider for row in world.rows()] == ["second"] * 4 + ["first"]


def test_one_that_asks_for_a_pause_gets_it_and_the_second_its_mail(world: World):
    world.mails(5)
    first, second = Scripted([Unavailable("slow down", timedelta(minutes=5))]), Scripted()
    run(world, first, second)
    assert (len(first.got), len(second.got)) == (0, 5)


def test_while_all_are_left_alone_mail_waits_for_the_first_to_be_well(world: World):
    world.mails(5)
    slow = Unavailable("slow down", timedelta(minutes=9))
    run(world, Scripted([slow]), Scripted([Unavailable("slow down", timedelta(minutes=2))]))
    assert {row.state for row in world.rows()} == {"pending", "retry"}
    assert run(world, Scripted(), Scripted()).states == {}
    world.step(minutes=2)
    second = Scripted()
    run(world, Scripted(), second)
    assert {row.state for row in world.rows()} == {"sent"}
    assert len(second.got) == 5


def test_one_that_lacks_settings_is_passed_over(world: World):
    world.mails(2)
    second = Scripted()
    world.deliverer.run(sender_of({"second": second}, missing={"first": "FIRST_KEY is not set"}))
    assert len(second.got) == 2


def test_if_all_lack_settings_mail_waits_and_says_for_what(world: World):
    world.mails(1)
    world.deliverer.run(sender_of({}, missing={"first": "FIRST_KEY is not set"}))
    row = world.row()
    assert (row.state, row.reason, row.attempts, row.last_error) == ("retry", NOT_CONFIGURED, 0, "FIRST_KEY is not set")


def test_other_routes_are_for_mail_that_nobody_has_yet(world: World):
    world.mails(1)
    world.deliverer.run(sender_of({"first": Scripted(busy(1))}, ()))
    world.step(seconds=5)
    second = Scripted()
    world.deliverer.run(sender_of({"second": second}, routes_of("sending: {routes: {through: second}}")))
    assert (world.row().state, world.row().provider) == ("sent", "second")


# ── who has it ───────────────────────────────────────────────────────────────────────────────────────────────


def die() -> None:
    raise Killed


def test_who_was_to_send_it_is_known_when_a_worker_is_killed_on_the_way(world: World):
    world.mails(1)
    first = Scripted(busy(1))
    with pytest.raises(Killed):
        run(world, first, Scripted([die]))
    assert (world.row().state, world.row().provider) == ("sending", "second")
    world.step(hours=1)
    with world.engine.begin() as conn:
        assert outbox.expire(conn, world.clock(), lambda provider: provider == "first") == {"ambiguous": 1}
    assert run(world, first, Scripted()).states == {}


class Finder(Scripted):
    """Can be asked, and has what it is told that it has."""

    findable_after = timedelta(hours=1)
    has: bool = False
    asked: int = 0

    def find(self, trace: Trace) -> Accepted | None:
        self.asked += 1
        return Accepted(f"found-{trace.name[:3]}") if self.has else None


def test_the_one_that_may_have_it_is_asked_and_nobody_else(world: World):
    world.mails(1)
    first, second = Finder(busy(1)), Finder([Unknown("no answer")])
    run(world, first, second)
    assert world.row().state == "ambiguous"
    second.has = True
    world.step(minutes=1)
    assert run(world, first, second).states == {"sent": 1}
    assert (first.asked, second.asked, world.row().provider) == (0, 1, "second")


def test_what_it_never_had_may_go_by_anybody(world: World):
    world.mails(1)
    first, second = Finder([Unknown("no answer"), *busy(1)]), Scripted()
    run(world, first, second)
    world.step(hours=2)
    assert run(world, first, second).states == {"retry": 2, "sent": 1}
    assert (world.row().provider, len(second.got)) == ("second", 1)


def test_what_an_event_proves_while_it_is_passed_on_stays_with_whom_it_was(world: World):
    world.mails(1)

    def arrive() -> None:
        with world.engine.begin() as conn:
            evidence.prove(conn, [Evidence(7, 1, key="mail:1:welcome:1:hello")], world.clock())
        raise Unavailable("it says that it did not take it")

    second = Scripted()
    run(world, Scripted([arrive]), second)
    assert (world.row().state, world.row().provider, second.got) == ("sent", "first", [])


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = st.sampled_from(["first", "second", "third", "gone"])
LINES = st.lists(NAMES, min_size=1, max_size=3, unique=True)


class Lined(RoutedSender):
    """Everybody in the line may take everything."""

    def __init__(self, line: list[str]) -> None:
        super().__init__(Routes((), line[0], {}), {}, {})
        self._line = line

    def line(self, claim: Claim) -> list[str]:  # noqa: ARG002
        return self._line


@given(line=LINES, paused=st.sets(NAMES), before=st.none() | NAMES, unclear=st.none() | NAMES)
def test_who_gets_a_row(line: list[str], paused: set[str], before: str | None, unclear: str | None):
    since = NOW if unclear else None
    row = Claim(
        1, "k", "email", 1, {}, 1, 1, before, "", "a@b.test", {}, "", NOW, unclear_since=since, unclear_with=unclear
    )
    sender = Lined(line)
    name = chosen(sender, row, paused)
    if unclear:
        assert name == unclear, "nobody else can tell whether it was taken"
        return
    assert name in line
    assert name not in paused or paused >= set(line), "somebody else could have taken it"
    walked = [name]
    while heir := following(sender, replace(row, provider=walked[-1]), paused):
        walked.append(heir)
    assert walked == [each for each in line[line.index(name) :] if each == name or each not in paused]

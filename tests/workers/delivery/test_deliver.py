"""The outbox on its way out, on real PostgreSQL, with a provider that does what the test says."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text

from integrations.contracts import Accepted, Mail, Promotion
from integrations.exceptions import Rejected, Unavailable, Unknown
from tests.conftest import NOW
from workers.clock import SteppedClock
from workers.delivery import deliver
from workers.delivery.attempts import CONFIGURED_WAIT, Policy
from workers.delivery.compose import Composer, Links
from workers.delivery.deliver import Deliverer
from workers.delivery.health import IN_A_ROW
from workers.delivery.senders import CrmSender, EmailSender
from workers.engine.categories import Category, ConsentPolicy
from workers.engine.rules import Account, RateLimit, Rulebook, Sending, Tracking
from workers.exceptions import ConfigurationError, StoreUnavailable
from workers.store import consents, opportunities, outbox, suppressions
from workers.store.database import transaction
from workers.store.opportunities import Opportunity
from workers.store.outbox import Effect, Row
from workers.store.suppressions import Suppression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection, Engine

SCHEDULE = (timedelta(seconds=5), timedelta(minutes=1))
POLICY = Policy(SCHEDULE, lease=timedelta(minutes=10), chunk=4)
FILES = {
    "templates/hi/mail.txt": "---\nsubject: Hi\ncategory: marketing\n---\nHi {{ lead.first_name }}",
    "templates/receipt/mail.txt": "---\nsubject: Hi\ncategory: transactional\n---\nHi",
    "templates/webinar/mail.txt": "---\nsubject: Hi\ncategory: marketing\ntopic: webinars\n---\nHi",
    "templates/plain/mail.txt": "---\nsubject: Hi\ncategory: marketing\n---\nHi",
    "templates/note/full/note.txt": (
        "{{ lead.first_name }} of {{ account.company }}: {{ scores.fit.score }}\n"
        "{% for name, met in evidence.items() if met %}has {{ name }}\n{% endfor %}"
        "{% for each in recent %}{{ each.type }}{% endfor %}"
    ),
    "templates/note/broken/note.txt": "{{ lead.nobody_knows }}",
    "templates/note/wrong/note.txt": "{% if %}",
    "templates/note/endless/note.txt": "{% include 'note/endless/note.txt' %}",
    "templates/welcome/hello/mail.txt": "---\nsubject: Welcome\ncategory: marketing\n---\nWelcome",
}
RULEBOOK = cast(
    "Rulebook",
    SimpleNamespace(
        account=Account("A", "UTC", "EUR", "Nora <nora@acme.test>", "1 Road"),
        templates=FILES,
        tracking=Tracking(),
        consent=ConsentPolicy({"webinars": Category("webinars", "Webinars", "", "consent")}),
    ),
)
COMPOSER = Composer(RULEBOOK, Links("https://go.acme.test", "s" * 32))
DETAILS = {
    "person": {"email": "ann@acme.test", "first_name": "Ann", "last_name": "", "phone": "", "title": "", "company": ""},
    "name": "Acme", "pipeline": "default", "stage": "new", "amount": "9600.00", "currency": "EUR",
    "close_on": "2026-03-01", "owner": "", "note": "hot",
}  # fmt: skip
HAND_OVER = {"crm": "hubspot", "opportunity": DETAILS}


@dataclass
class Scripted:
    """Does one thing after the other, then accepts."""

    script: list[Exception | Callable[[], None]] = field(default_factory=list)
    takes_key: bool = False
    got: list[Any] = field(default_factory=list)

    def send(self, thing: Mail | Promotion) -> Accepted:
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if step:
            step()
        self.got.append(thing)
        return Accepted(f"ref-{len(self.got)}")

    promote = send

    def close(self) -> None:
        pass


def crm_sender(crm: Callable[[str], Any], *, takes_key: bool = True) -> CrmSender:
    return CrmSender(crm, lambda _name: takes_key, lambda _version: COMPOSER)


class World:
    """A database with leads and an outbox, a clock, and a deliverer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.clock = SteppedClock(NOW)
        self.deliverer = Deliverer(engine, self.clock, POLICY)

    def lead(self, number: int, **fields: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(
                text("""
                    INSERT INTO leads (id, slice, email, state, created_at, updated_at)
                    VALUES (:id, 0, CAST(:state AS jsonb) -> 'fields' ->> 'email', CAST(:state AS jsonb), :now, :now)
                """),
                {"id": number, "state": _json({"fields": fields, "format": 1}), "now": NOW},
            )

    def mails(self, count: int, template: str = "plain") -> None:
        for number in range(1, count + 1):
            self.lead(number, email=f"lead{number}@acme.test", first_name="Ann")
        self.put(
            *[
                Effect(f"mail:{number}:welcome:1:hello", "email", number, {"template": template})
                for number in range(1, count + 1)
            ]
        )

    def put(self, *effects: Effect) -> None:
        with self.engine.begin() as conn:
            outbox.put(conn, effects, 1, self.clock())

    def run(self, provider: Scripted) -> dict[str, int]:
        sender = EmailSender("scripted", provider, lambda _version, _template: COMPOSER)
        return dict(self.deliverer.run(sender).states)

    def promote(self, provider: Scripted) -> dict[str, int]:
        return dict(self.deliverer.run(crm_sender(lambda _name: provider, takes_key=provider.takes_key)).states)

    def rows(self) -> list[Row]:
        with self.engine.begin() as conn:
            return sorted(outbox.rows(conn, 1000), key=lambda row: row.id)

    def row(self) -> Row:
        (row,) = self.rows()
        return row

    def step(self, **by: float) -> None:
        self.clock.move_to(self.clock() + timedelta(**by))


def _json(value: Any) -> str:
    return json.dumps(value)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


# ── what becomes of one row ──────────────────────────────────────────────────────────────────────────────────


def test_an_accepted_mail_is_sent_once_with_its_key_and_the_leads_own_words(world: World):
    world.mails(1, "hi")
    provider = Scripted()
    assert world.run(provider) == {"sent": 1}
    assert world.run(provider) == {}
    (mail,) = provider.got
    assert (mail.key, mail.to, mail.text) == ("mail:1:welcome:1:hello", "lead1@acme.test", "Hi Ann")
    row = world.row()
    assert (row.state, row.provider, row.provider_ref, row.attempts) == ("sent", "scripted", "ref-1", 1)
    assert row.message_name == mail.message_id.partition("@")[0]


def test_a_rejected_mail_is_dead_with_the_providers_code(world: World):
    world.mails(1)
    assert world.run(Scripted([Rejected("550", "no such user")])) == {"dead": 1}
    row = world.row()
    assert (row.state, row.reason, row.last_error) == ("dead", "550", "550: no such user")


def test_a_mail_that_was_not_taken_is_tried_by_the_schedule_and_then_given_up(world: World):
    world.mails(1)
    provider = Scripted([Unavailable("busy")] * 3)
    assert world.run(provider) == {"retry": 1}
    assert world.row().due_at == NOW + SCHEDULE[0]
    assert world.run(provider) == {}
    world.step(seconds=5)
    assert world.run(provider) == {"retry": 1}
    assert world.row().due_at == world.clock() + SCHEDULE[1]
    world.step(minutes=1)
    assert world.run(provider) == {"dead": 1}
    assert (world.row().reason, world.row().attempts) == ("exhausted", 3)


def test_a_longer_wait_that_the_provider_asks_for_is_kept_to(world: World):
    world.mails(1)
    world.run(Scripted([Unavailable("limit", timedelta(hours=3))]))
    assert world.row().due_at == NOW + timedelta(hours=3)


@pytest.mark.parametrize("error", [Unknown("no answer"), ValueError("a bug in the adapter")])
def test_an_unknown_outcome_is_ambiguous_where_the_key_is_not_taken(world: World, error: Exception):
    world.mails(1)
    assert world.run(Scripted([error])) == {"ambiguous": 1}
    world.step(days=30)
    assert world.run(Scripted()) == {}
    row = world.row()
    assert row.reason == ("unknown" if isinstance(error, Unknown) else "adapter-error")
    assert row.message_name


def test_an_unknown_outcome_is_tried_again_where_the_key_is_taken(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer")], takes_key=True)
    assert world.run(provider) == {"retry": 1}
    world.step(seconds=5)
    assert world.run(provider) == {"sent": 1}
    assert world.row().attempts == 2


def test_an_outcome_that_stays_unknown_through_the_whole_schedule_is_ambiguous_and_not_dead(world: World):
    world.mails(1)
    provider = Scripted([Unknown("no answer")] * 3, takes_key=True)
    for _ in range(3):
        world.run(provider)
        world.step(hours=1)
    assert world.row().state == "ambiguous"


def test_whoever_was_suppressed_after_the_decision_gets_no_mail(world: World):
    world.mails(2)
    with world.engine.begin() as conn:
        suppressions.add(conn, [Suppression("Lead1@acme.test", "unsubscribed")], NOW)
    provider = Scripted()
    assert world.run(provider) == {"skipped": 1, "sent": 1}
    assert (world.rows()[0].state, world.rows()[0].reason) == ("skipped", "unsubscribed")
    assert [mail.to for mail in provider.got] == ["lead2@acme.test"]


def test_whoever_is_suppressed_while_the_chunk_is_being_sent_gets_no_mail(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.mails(3)
    monkeypatch.setattr(deliver, "FRESH", 0.0)

    def suppress() -> None:
        with world.engine.begin() as conn:
            suppressions.add(conn, [Suppression("lead3@acme.test", "complained")], NOW)

    provider = Scripted([suppress])
    assert world.run(provider) == {"sent": 2, "skipped": 1}
    assert [mail.to for mail in provider.got] == ["lead1@acme.test", "lead2@acme.test"]


@pytest.mark.parametrize(
    ("entry", "sent"),
    [
        ("lead1@acme.test unsubscribed", ["receipt"]),
        ("lead1@acme.test bounced", []),
        ("lead1@acme.test soft-bounced", []),
        ("lead1@acme.test complained", []),
        ("lead1@acme.test manual", []),
        ("@ACME.test domain", []),
        ("@test domain", ["plain", "receipt"]),
    ],
)
def test_unsubscribing_is_about_marketing_and_everything_else_about_all_mail(world: World, entry: str, sent: list[str]):
    world.lead(1, email="Lead1@acme.test", first_name="Ann")
    world.put(*[Effect(f"mail:1:{name}:1:a", "email", 1, {"template": name}) for name in ("plain", "receipt")])
    with world.engine.begin() as conn:
        suppressions.add(conn, [Suppression(*entry.split())], NOW)
    provider = Scripted()
    world.run(provider)
    assert [mail.key.split(":")[2] for mail in provider.got] == sent
    assert {row.reason for row in world.rows() if row.state == "skipped"} <= {entry.split()[1]}


def test_whoever_is_on_the_list_twice_is_there_for_the_graver_reason(world: World):
    with world.engine.begin() as conn:
        for reason in ("unsubscribed", "bounced"):
            suppressions.add(conn, [Suppression("ann@acme.test", reason)], NOW)
        assert suppressions.reasons(conn, ["ann@acme.test"]) == {"ann@acme.test": "bounced"}


@pytest.mark.parametrize(("said", "sent"), [("given", 1), ("pending", 0), ("withdrawn", 0), (None, 0)])
def test_consent_is_looked_up_at_the_instant_of_sending(
    world: World, monkeypatch: pytest.MonkeyPatch, said: str | None, sent: int
):
    """The lead says it while the mail before it is being handed over."""
    monkeypatch.setattr(deliver, "FRESH", 0.0)
    world.mails(2, "webinar")

    def say() -> None:
        consents = {} if said is None else {"webinars": [said, 1, 1]}
        with world.engine.begin() as conn:
            conn.execute(
                text("UPDATE leads SET state = jsonb_set(state, '{consents}', :said) WHERE id = 2"),
                {"said": json.dumps(consents)},
            )

    with world.engine.begin() as conn:
        conn.execute(text("""UPDATE leads SET state = state || '{"consents": {"webinars": ["given", 1, 1]}}'"""))
    provider = Scripted([say])
    world.run(provider)
    assert [mail.to for mail in provider.got] == ["lead1@acme.test", "lead2@acme.test"][: 1 + sent]
    assert [row.reason for row in world.rows() if row.state == "skipped"] == ["no-consent"] * (1 - sent)


@pytest.mark.parametrize(
    ("fields", "name", "reason"),
    [
        ({"email": "ann@acme.test"}, "hi", "template"),
        ({"email": "ann@acme.test"}, "nothing/here", "template"),
        ({}, "plain", "no-email"),
        ({"email": "no address"}, "plain", "bad-email"),
    ],
)
def test_a_mail_that_cannot_be_made_is_skipped_with_its_reason(
    world: World, fields: dict[str, str], name: str, reason: str
):
    world.lead(1, **fields)
    world.put(Effect("mail:1:a:1:b", "email", 1, {"template": name}))
    assert world.run(Scripted()) == {"skipped": 1}
    row = world.row()
    assert row.reason == reason
    assert row.last_error


def test_a_row_that_cannot_even_be_read_is_dead_and_the_others_go(world: World):
    world.mails(2)
    with world.engine.begin() as conn:
        conn.execute(text("UPDATE outbox SET payload = '{}' WHERE lead_id = 1"))
    assert world.run(Scripted()) == {"dead": 1, "sent": 1}
    assert world.rows()[0].reason == "not-ready"


# ── a provider that is away ──────────────────────────────────────────────────────────────────────────────────


def test_a_provider_that_is_away_does_not_burn_through_the_outbox(world: World):
    world.mails(12)
    provider = Scripted([Unavailable("down")] * IN_A_ROW)
    assert world.run(provider) == {"retry": IN_A_ROW, "untried": 1}
    assert provider.got == []
    rows = world.rows()
    assert [row.attempts for row in rows] == [1] * IN_A_ROW + [0] * 9
    assert world.run(provider) == {}
    world.step(seconds=5)
    assert world.run(provider) == {"sent": 12}
    assert len({mail.key for mail in provider.got}) == 12


def test_one_mail_that_is_not_taken_does_not_hold_up_the_others(world: World):
    world.mails(6)
    assert world.run(Scripted([Unavailable("greylisted")])) == {"retry": 1, "sent": 5}


def test_a_provider_that_asks_for_a_pause_gets_it_at_once(world: World):
    world.mails(6)
    provider = Scripted([Unavailable("limit", timedelta(minutes=10))])
    assert world.run(provider) == {"retry": 1, "untried": 3}
    world.step(minutes=9)
    assert world.run(provider) == {}
    world.step(minutes=1)
    assert world.run(provider) == {"sent": 6}


def test_a_crm_that_is_away_does_not_hold_up_another(world: World):
    for number, crm in enumerate(["down", "up", "down", "up", "down", "up", "down", "up"]):
        world.put(Effect(f"promotion:{number}:1", "crm", number, HAND_OVER, crm))
    down, up = Scripted([Unavailable("down")] * 99), Scripted()
    sender = crm_sender(lambda name: down if name == "down" else up)
    world.deliverer.run(sender)
    assert len(up.got) == 4
    assert {row.state for row in world.rows() if row.provider == "down"} <= {"retry", "pending"}


# ── promotions ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_promotion_goes_to_the_crm_whole_and_its_opportunity_gets_the_id(world: World):
    with world.engine.begin() as conn:
        opportunities.add(conn, [Opportunity("promotion:1:1", 1, "hubspot", DETAILS)], NOW)
    world.put(Effect("promotion:1:1", "crm", 1, HAND_OVER, "hubspot"))
    crm = Scripted()
    assert world.promote(crm) == {"sent": 1}
    (promotion,) = crm.got
    assert isinstance(promotion, Promotion)
    assert (promotion.key, f"{promotion.amount}", f"{promotion.close_on}") == ("promotion:1:1", "9600.00", "2026-03-01")
    with world.engine.begin() as conn:
        (found,) = opportunities.recent(conn, 9)
    assert (found.ref, found.accepted_at) == ("ref-1", NOW)


def test_a_promotion_without_amount_and_date_goes_too(world: World):
    world.put(
        Effect(
            "promotion:1:1",
            "crm",
            1,
            {"crm": "hubspot", "opportunity": DETAILS | {"amount": None, "close_on": None}},
            "hubspot",
        )
    )
    crm = Scripted()
    assert world.promote(crm) == {"sent": 1}
    assert (crm.got[0].amount, crm.got[0].close_on) == (None, None)


def test_a_crm_that_is_not_configured_waits_for_a_person_and_gives_up_nobody_at_once(world: World):
    world.put(Effect("promotion:1:1", "crm", 1, HAND_OVER, "hubspot"))

    def crm(_name: str) -> Any:
        raise ConfigurationError("DRIPLINE_HUBSPOT_TOKEN is not set")

    for _ in range(len(SCHEDULE) + 3):  # as often as would have cost a row that somebody had refused
        assert dict(world.deliverer.run(crm_sender(crm)).states) == {"retry": 1}
        world.clock.move_to(world.clock() + CONFIGURED_WAIT)
    row = world.row()
    assert (row.state, row.reason, row.attempts) == ("retry", "not-configured", 0)
    assert row.last_error == "DRIPLINE_HUBSPOT_TOKEN is not set"
    assert dict(world.deliverer.run(crm_sender(lambda _name: Scripted())).states) == {"sent": 1}
    assert (world.row().attempts, world.row().last_error) == (1, None)


# ── crashes, threads, PostgreSQL away ────────────────────────────────────────────────────────────────────────


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize(("takes_key", "state"), [(True, "retry"), (False, "ambiguous")])
def test_a_worker_killed_while_sending_leaves_no_row_to_be_sent_twice(world: World, takes_key: bool, state: str):
    world.mails(3)

    def die() -> None:
        raise Killed

    provider = Scripted([lambda: None, die])
    with pytest.raises(Killed):
        world.run(provider)
    assert {row.state for row in world.rows()} == {"sending"}
    assert world.run(provider) == {}
    world.step(minutes=11)
    with world.engine.begin() as conn:
        assert outbox.expire(conn, world.clock(), lambda _provider: takes_key) == {state: 3}


def test_threads_share_the_outbox_and_nothing_goes_twice(world: World):
    world.mails(60)
    provider = Scripted([lambda: time.sleep(0.001)] * 60)
    threads = [threading.Thread(target=world.run, args=(provider,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mail.key for mail in provider.got) == sorted(row.key for row in world.rows())
    assert {row.state for row in world.rows()} == {"sent"}


def away(times: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """`settle` that finds PostgreSQL away so often, whenever there is something to record."""
    left = [times]

    def settle(conn: Any, outcomes: Sequence[Any], now: datetime) -> Any:
        if outcomes and left[0]:
            left[0] -= 1
            raise StoreUnavailable("away")
        return real(conn, outcomes, now)

    return settle


def test_what_was_sent_is_recorded_once_postgresql_is_back(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(3)
    monkeypatch.setattr(deliver, "SETTLE_WAITS", (0, 0, 0))
    monkeypatch.setattr(outbox, "settle", away(2, outbox.settle))
    provider = Scripted()
    world.run(provider)
    assert {row.state for row in world.rows()} == {"sent"}
    assert len(provider.got) == 3


def test_what_was_sent_is_recorded_though_the_suppressions_cannot_be_looked_up_for_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.mails(3)

    def gone(*_: object) -> Any:
        raise StoreUnavailable("away")

    def slow() -> None:
        monkeypatch.setattr(deliver, "FRESH", 0.0)
        monkeypatch.setattr(consents, "now_are", gone)

    provider = Scripted([slow])
    assert world.run(provider) == {"sent": 1, "untried": 4}
    assert [(row.state, row.attempts) for row in world.rows()] == [("sent", 1), ("pending", 0), ("pending", 0)]
    monkeypatch.undo()
    assert world.run(provider) == {"sent": 2}
    assert len(provider.got) == 3


def test_a_mail_waits_whose_template_is_in_a_postgresql_that_is_away(world: World):
    world.mails(1)

    def gone(*_: object) -> Composer:
        raise StoreUnavailable("away")

    sender = EmailSender("scripted", Scripted(), gone)
    assert dict(world.deliverer.run(sender).states) == {"untried": 1}
    assert (world.row().state, world.row().attempts) == ("pending", 0)


def test_a_lost_answer_to_a_commit_takes_no_row_from_who_claimed_it_since(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """What was given back and claimed by somebody else is not given back again, or it would be sent twice."""
    world.mails(1)
    other: list[outbox.Claim] = []

    @contextmanager
    def lossy(engine: Engine) -> Iterator[Connection]:
        with transaction(engine) as conn:
            yield conn
        if world.row().state == "pending" and world.row().claims and not other:
            with world.engine.begin() as conn:
                other.extend(outbox.claim(conn, "email", world.clock(), limit=9, lease=POLICY.lease))
            raise StoreUnavailable("the connection was lost, the commit was not")

    monkeypatch.setattr(deliver, "transaction", lossy)
    monkeypatch.setattr(deliver, "SETTLE_WAITS", (0, 0))
    policy = Policy(SCHEDULE, timedelta(0), 4)  # a lease so short that every claim is given back untried
    assert Deliverer(world.engine, world.clock, policy).run(
        EmailSender("scripted", cast("Any", Scripted()), lambda _v, _t: COMPOSER)
    ).states == {"untried": 1}
    assert len(other) == 1
    assert world.row().state == "sending"
    with world.engine.begin() as conn:
        assert outbox.claim(conn, "email", world.clock(), limit=9, lease=POLICY.lease) == []


def test_what_can_never_be_recorded_counts_as_abandoned(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(3)
    monkeypatch.setattr(deliver, "SETTLE_WAITS", (0, 0))
    monkeypatch.setattr(outbox, "settle", away(99, outbox.settle))
    with pytest.raises(StoreUnavailable, match="3 outbox rows will count as abandoned"):
        world.run(Scripted())
    assert {row.state for row in world.rows()} == {"sending"}


def test_a_run_ends_when_its_time_is_up_and_says_that_there_is_more(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(9)
    monkeypatch.setattr(deliver, "RUN", 0.0)
    run = world.deliverer.run(EmailSender("scripted", cast("Any", Scripted()), lambda _v, _t: COMPOSER))
    assert (run.more, run.states) == (True, {"sent": POLICY.chunk})
    assert sum(row.state == "sending" for row in world.rows()) == 0


def test_a_chunk_that_takes_half_its_lease_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch):
    world.mails(4)
    passed = [0.0]

    def wait() -> None:
        passed[0] += POLICY.lease.total_seconds() / 2 + 1

    monkeypatch.setattr(deliver, "time", SimpleNamespace(monotonic=lambda: passed[0], sleep=time.sleep))
    provider = Scripted([wait])
    assert world.run(provider) == {"sent": 1, "untried": 3}
    assert [(row.state, row.attempts, row.claims) for row in world.rows()] == [("sent", 1, 1)] + [("pending", 0, 1)] * 3
    assert world.run(provider) == {"sent": 3}
    assert len({mail.key for mail in provider.got}) == len(provider.got) == 4


# ── rate limits ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_too_much_waits_for_its_turn_and_no_try_is_counted(world: World):
    world.mails(4)
    provider = Scripted()
    sender = EmailSender("scripted", provider, lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("domain", "acme.test", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 1, "untried": 3}
    waiting = [row for row in world.rows() if row.state == "pending"]
    assert [row.due_at - NOW for row in waiting] == [timedelta(minutes=n) for n in (1, 2, 3)]
    assert [row.attempts for row in waiting] == [0, 0, 0]
    world.step(minutes=1)
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 1}


def test_a_limit_on_one_domain_holds_nobody_else_up(world: World):
    world.mails(3)
    world.lead(9, email="ben@other.test")
    world.put(Effect("mail:9:welcome:1:hello", "email", 9, {"template": "plain"}))
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("domain", "acme.test", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 2, "untried": 2}


def test_mails_behind_a_whole_chunk_that_waits_for_its_domain_go_all_the_same(world: World):
    world.mails(9)
    world.lead(19, email="ben@other.test")
    world.put(Effect("mail:19:welcome:1:hello", "email", 19, {"template": "plain"}))
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("domain", "acme.test", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 2, "untried": 8}
    assert [row.claims for row in world.rows()] == [1] * 10


def test_mails_that_wait_for_their_provider_stay_where_they_are(world: World):
    world.mails(9)
    sender = EmailSender("scripted", Scripted(), lambda _version, _template: COMPOSER)
    slow = Sending((RateLimit("provider", "scripted", 1, 60_000_000),))
    assert dict(world.deliverer.run(sender, slow).states) == {"sent": 1, "untried": 3 + 1}
    assert dict(world.deliverer.run(sender, slow).states) == {"untried": 1}
    assert sorted(row.claims for row in world.rows()) == [0] * 3 + [1] * 6
    world.step(minutes=1)
    assert dict(world.deliverer.run(sender, slow).states)["sent"] == 1

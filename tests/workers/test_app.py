from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from dramatiq.brokers.stub import StubBroker
from sqlalchemy import text

from integrations.contracts import Accepted
from tests.conftest import NOW
from tests.contract import hostile
from tests.workers.rulebooks import BUNDLE, PRODUCT_SECRET, apply
from workers.adapters import Adapters
from workers.app import App, build
from workers.clock import SteppedClock
from workers.config import Settings
from workers.exceptions import ConfigurationError
from workers.hints import QUEUE, MemoryHints
from workers.library import REMEMBERED
from workers.store import events, outbox
from workers.store.events import NewEvent
from workers.store.slices import slice_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "s" * 32


class Provider:
    """Keeps what it is sent."""

    takes_key = True

    def __init__(self) -> None:
        self.got: list[Any] = []

    def send(self, mail: Any) -> Accepted:
        self.got.append(mail)
        return Accepted("x")

    def close(self) -> None:
        pass


def settings(database_url: str, **environ: str) -> Settings:
    return Settings.from_environ({
        "DRIPLINE_DATABASE_URL": database_url, "DRIPLINE_SECRET": SECRET, "DRIPLINE_PRODUCT_SECRET": PRODUCT_SECRET,
        "DRIPLINE_EMAIL": "mailbox", **environ,
    })  # fmt: skip


def make(given: Settings, provider: Provider | None = None, clock: SteppedClock | None = None) -> App:
    broker = StubBroker(middleware=[])
    broker.declare_queue(QUEUE)
    clock = clock or SteppedClock(NOW)
    return App(given, broker, MemoryHints(), adapters=Adapters(given, clock, email=provider), clock=clock)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def app(database_url: str, provider: Provider) -> Iterator[App]:
    app = make(settings(database_url), provider)
    yield app
    app.close()


def happen(app: App, number: int, type_: str, **properties: Any) -> None:
    event = NewEvent(
        "product", str(number), type_, app.clock(), "email:ann@acme.test", ("email:ann@acme.test",), properties
    )
    with app.engine.begin() as conn:
        events.append(conn, [event], app.clock())
    app.process([slice_of("email:ann@acme.test")])


def test_an_event_becomes_a_mail(app: App, provider: Provider):
    apply(app.engine, NOW)
    happen(app, 1, "form.submitted", form="newsletter")
    app.deliver("email")
    (mail,) = provider.got
    assert (mail.to, mail.subject) == ("ann@acme.test", "Hello you")


ROUTED = BUNDLE | {"rules/sending.yaml": "sending: {routes: {through: [resend, sparkpost]}}"}
WELCOME = "rules/campaigns/welcome.yaml"
SHORTER = BUNDLE | {WELCOME: BUNDLE[WELCOME].replace("  - wait: 2 days\n  - send: hello\n", "")}
"""Whose campaign ends with its first mail."""


def test_the_rules_say_through_whom_mail_goes(database_url: str):
    with hostile.Http(vendor=hostile.VENDORS["sparkpost"], moods=("take",)) as server:
        environ = {
            "DRIPLINE_EMAIL": "smtp", "DRIPLINE_SMTP_HOST": "127.0.0.1", "DRIPLINE_SPARKPOST_API_KEY": "x",
            "DRIPLINE_SPARKPOST_BASE_URL": f"http://127.0.0.1:{server.port}",
        }  # fmt: skip
        app = make(settings(database_url, **environ))
        apply(app.engine, NOW, ROUTED)
        happen(app, 1, "form.submitted", form="newsletter")
        app.check(sends=True)
        app.deliver("email")
        with app.engine.begin() as conn:
            (row,) = outbox.rows(conn, 9)
        app.close()
    assert (row.state, row.provider, server.taken.total()) == ("sent", "sparkpost", 1)


def test_two_servers_of_one_kind_stand_in_for_each_other(database_url: str):
    rules = BUNDLE | {"rules/sending.yaml": "sending: {routes: {through: [smtp, smtp-backup]}}"}
    with hostile.Smtp(moods=("be busy",)) as first, hostile.Smtp(moods=("take",)) as second:
        environ = {"DRIPLINE_EMAIL": "smtp"}
        for name, server in (("SMTP", first), ("SMTP_BACKUP", second)):
            environ |= {
                f"DRIPLINE_{name}_HOST": "127.0.0.1", f"DRIPLINE_{name}_PORT": str(server.port),
                f"DRIPLINE_{name}_SECURITY": "none",
            }  # fmt: skip
        app = make(settings(database_url, **environ))
        apply(app.engine, NOW, rules)
        happen(app, 1, "form.submitted", form="newsletter")
        app.deliver("email")
        with app.engine.begin() as conn:
            (row,) = outbox.rows(conn, 9)
        assert not app.adapters.takes_key("smtp-backup")
        app.close()
    assert (row.state, row.provider) == ("sent", "smtp-backup")
    assert (first.taken.total(), second.taken.total()) == (0, 1)


def test_no_route_leads_out_of_the_mailbox(app: App, provider: Provider):
    apply(app.engine, NOW, ROUTED)
    happen(app, 1, "form.submitted", form="newsletter")
    app.deliver("email")
    assert len(provider.got) == 1


def test_what_processing_put_in_the_outbox_is_announced(app: App):
    apply(app.engine, NOW)
    happen(app, 1, "form.submitted", form="newsletter")
    assert app.broker.queues[QUEUE].qsize() == 1


def test_a_mail_is_made_with_the_templates_in_force_or_else_with_those_it_was_decided_with(
    app: App, provider: Provider
):
    apply(app.engine, NOW)
    happen(app, 1, "form.submitted", form="newsletter")
    renamed = {
        path.replace("/hello/", "/hi/"): text.replace("send: hello", "send: hi") for path, text in BUNDLE.items()
    }
    apply(app.engine, NOW, renamed)
    app.deliver("email")
    assert provider.got[0].subject == "Hello you"

    app.clock.move_to(NOW + timedelta(days=3))
    corrected = BUNDLE | {"templates/hello/mail.txt": BUNDLE["templates/hello/mail.txt"].replace("Hello", "Dear")}
    apply(app.engine, NOW, corrected)
    app.process([slice_of("email:ann@acme.test")])
    app.deliver("email")
    assert [mail.subject for mail in provider.got] == ["Hello you", "Dear you"]


def test_whoever_entered_a_campaign_stays_in_it_as_it_was_also_in_a_process_started_later(
    database_url: str, provider: Provider
):
    clock = SteppedClock(NOW)
    first = make(settings(database_url), provider, clock)
    apply(first.engine, NOW)
    happen(first, 1, "form.submitted", form="newsletter")
    apply(first.engine, NOW, SHORTER)
    first.close()
    clock.move_to(NOW + timedelta(days=3))
    second = make(settings(database_url), provider, clock)
    second.process([slice_of("email:ann@acme.test")])
    second.deliver("email")
    assert len(provider.got) == 2
    second.close()


def test_whoever_is_in_an_older_version_gets_its_mails_and_is_counted_as_it_asks(database_url: str, provider: Provider):
    counting = BUNDLE | {
        WELCOME: BUNDLE[WELCOME]
        + '  - branch: [{when: \'count("page.viewed", within="3d") >= 2\', steps: [{send: gone}]}]\n',
        "templates/gone/mail.txt": BUNDLE["templates/hello/mail.txt"].replace(
            "category: marketing", "category: transactional"
        ),
    }
    clock = SteppedClock(NOW)
    app = make(settings(database_url), provider, clock)
    apply(app.engine, NOW, counting)
    happen(app, 1, "form.submitted", form="newsletter")
    apply(app.engine, NOW, BUNDLE)
    happen(app, 2, "page.viewed")
    happen(app, 3, "page.viewed")
    clock.move_to(NOW + timedelta(days=2))
    app.process([slice_of("email:ann@acme.test")])
    app.deliver("email")
    assert [mail.subject for mail in provider.got] == ["Hello you"] * 3
    assert app.library.active().categories["gone"] == "transactional"
    app.close()


def test_however_often_rules_are_applied_nobody_loses_the_campaign_they_are_in(
    database_url: str, provider: Provider, caplog: pytest.LogCaptureFixture
):
    clock = SteppedClock(NOW)
    first = make(settings(database_url), provider, clock)
    apply(first.engine, NOW)
    happen(first, 1, "form.submitted", form="newsletter")
    for number in range(REMEMBERED + 5):
        edited = f"{BUNDLE['rules/events.yaml']}\n# edit {number}\n"
        apply(first.engine, NOW, SHORTER | {"rules/events.yaml": edited})
    first.close()
    clock.move_to(NOW + timedelta(days=3))
    second = make(settings(database_url), provider, clock)
    second.process([slice_of("email:ann@acme.test")])
    second.deliver("email")
    assert len(provider.got) == 2
    assert len(second.library.active().archive) == 2
    assert "campaign_definition_lost" not in {record.getMessage() for record in caplog.records}
    with second.engine.begin() as conn:
        conn.execute(text("UPDATE enrolments SET version = 'of another program', outcome = ''"))
    apply(second.engine, NOW)
    second.library.active()
    assert "campaign_definition_lost" in {record.getMessage() for record in caplog.records}
    second.close()


def test_sources_are_opened_by_the_rules_and_one_without_its_secret_stays_closed(
    database_url: str, caplog: pytest.LogCaptureFixture
):
    app = make(settings(database_url))
    assert app.load_sources("") is None
    version = apply(app.engine, NOW, BUNDLE | {"rules/sources/typeform.yaml": "source: typeform\n"})
    active = app.load_sources("")
    assert active is not None
    assert (active.version, set(active.sources)) == (version, {"product"})
    assert list(active.closed) == ["typeform"]
    assert "DRIPLINE_TYPEFORM_SECRET is not set" in active.closed["typeform"]
    assert app.load_sources(version) is None
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == ["source_closed"]
    app.close()


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"DRIPLINE_SECRET": "short"}, "DRIPLINE_SECRET has 5 characters"),
        ({"DRIPLINE_EMAIL": ""}, "DRIPLINE_EMAIL is not set; set it to smtp, or to mailbox"),
        ({"DRIPLINE_EMAIL": "smtp"}, "DRIPLINE_SMTP_HOST is not set"),
        ({"DRIPLINE_EMAIL": "stmp"}, "did you mean 'smtp'?"),
    ],
)
def test_a_process_does_not_begin_with_settings_it_cannot_work_with(
    database_url: str, tmp_path: Path, environ: dict[str, str], says: str
):
    app = make(settings(database_url, DRIPLINE_DATA_DIR=str(tmp_path), **environ))
    with pytest.raises(ConfigurationError) as caught:
        app.check(sends=True)
    assert says in str(caught.value)
    app.close()


def test_a_process_that_sends_nothing_needs_no_mail_server(database_url: str):
    app = make(settings(database_url, DRIPLINE_EMAIL=""))
    app.check()
    app.close()


def test_a_variable_that_nobody_uses_is_pointed_at(database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    app = make(settings(database_url, DRIPLINE_DATA_DIR=str(tmp_path), DRIPLINE_REDIS_ULR="x", DRIPLINE_SMTP_HOST="y"))
    apply(app.engine, NOW)
    app.check()
    (warning,) = [record for record in caplog.records if record.getMessage() == "variable_not_used"]
    assert warning.fields == {"name": "DRIPLINE_REDIS_ULR", "meant": "DRIPLINE_REDIS_URL"}  # type: ignore[attr-defined]
    app.close()


def test_a_worker_says_at_its_start_that_the_crm_of_the_rules_is_not_configured(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def warned(**environ: str) -> list[str]:
        caplog.clear()
        app = make(settings(database_url, DRIPLINE_DATA_DIR=str(tmp_path), **environ))
        apply(app.engine, NOW)
        app.check(sends=True)
        app.close()
        return [vars(r)["fields"]["error"] for r in caplog.records if r.getMessage() == "crm_not_configured"]

    assert "DRIPLINE_WEBHOOK_URL is not set" in warned()[0]
    assert warned(DRIPLINE_WEBHOOK_URL="https://crm.test/in", DRIPLINE_WEBHOOK_SECRET=PRODUCT_SECRET) == []


def test_without_a_database_the_variable_is_named():
    with pytest.raises(ConfigurationError, match="DRIPLINE_DATABASE_URL is not set"):
        build(Settings())


def test_an_unreadable_redis_url_is_named():
    with pytest.raises(ConfigurationError, match="DRIPLINE_REDIS_URL cannot be read"):
        build(Settings(database_url="postgresql://x", redis_url="http://nowhere"))


def test_providers_that_take_keys_are_known_by_name(tmp_path: Path):
    adapters = Adapters(Settings(data_dir=tmp_path), SteppedClock(NOW))
    known = {name: adapters.takes_key(name) for name in ("mailbox", "smtp", "hubspot", "webhook", "nobody")}
    assert known == {"mailbox": True, "smtp": False, "hubspot": True, "webhook": True, "nobody": False}


def test_a_crm_that_is_not_configured_says_which_variable_is_missing(tmp_path: Path):
    adapters = Adapters(Settings(data_dir=tmp_path), SteppedClock(NOW))
    with pytest.raises(ConfigurationError, match="DRIPLINE_HUBSPOT_TOKEN is not set"):
        adapters.crm("hubspot")


def test_adapters_are_built_once_and_closed(tmp_path: Path):
    adapters = Adapters(Settings(data_dir=tmp_path, email="mailbox"), SteppedClock(NOW))
    assert adapters.email() is adapters.email()
    adapters.close()


def test_outbox_rows_left_by_a_dead_worker_are_seen_to_by_the_sweep(app: App):
    apply(app.engine, NOW)
    happen(app, 1, "form.submitted", form="newsletter")
    with app.engine.begin() as conn:
        outbox.claim(conn, "email", NOW, limit=1, lease=timedelta(minutes=5), provider="mailbox")
    due = app.sweeper().sweep(NOW + timedelta(minutes=6))
    assert due.expired == {"retry": 1}

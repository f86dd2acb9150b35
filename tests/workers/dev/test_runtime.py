from __future__ import annotations

import dataclasses
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from integrations.contracts import Accepted
from integrations.exceptions import Unavailable
from integrations.signatures import STANDARD_WEBHOOKS, sign, standard_secret
from tests.conftest import NOW
from tests.workers.rulebooks import BUNDLE, PRODUCT_SECRET
from workers.clock import SteppedClock
from workers.config import Settings
from workers.dev import NotDrained, Runtime
from workers.dev.folder import InUse
from workers.exceptions import ConfigurationError, RulebookError
from workers.rulebook import check, shipped
from workers.store import status

if TYPE_CHECKING:
    from pathlib import Path


class Provider:
    takes_key = False

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.away = False

    def send(self, mail: Any) -> Accepted:
        if self.away:
            raise Unavailable("away", timedelta(hours=1))
        self.got.append(mail)
        return Accepted("x")

    def close(self) -> None:
        pass


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings.from_environ(
        {
            "DRIPLINE_DATABASE_URL": database_url,
            "DRIPLINE_DATA_DIR": str(tmp_path / "data"),
            "DRIPLINE_PORT": "0",
            "DRIPLINE_PRODUCT_SECRET": PRODUCT_SECRET,
        }
    )


def post(runtime: Runtime, number: int, type_: str, **data: Any) -> None:
    body = json.dumps({"type": type_, "data": {"email": "ann@acme.test", **data}}).encode()
    stamp = str(int(runtime.clock().timestamp()))
    secret = standard_secret(PRODUCT_SECRET, "secret")
    headers = {
        "webhook-id": f"msg_{number}",
        "webhook-timestamp": stamp,
        "webhook-signature": sign(STANDARD_WEBHOOKS, secret, body, message_id=f"msg_{number}", timestamp=stamp),
    }
    assert requests.post(f"{runtime.url}/hooks/product", body, headers=headers, timeout=10).status_code == 202


def test_a_webhook_goes_the_whole_way_on_a_clock_that_is_moved_by_hand(settings: Settings):
    clock, provider = SteppedClock(NOW), Provider()
    with Runtime(settings, bundle=BUNDLE, clock=clock, email=provider) as runtime:
        post(runtime, 1, "form.submitted", form="newsletter")
        runtime.drain()
        assert len(provider.got) == 1
        clock.move_to(NOW + timedelta(days=1))
        runtime.drain()
        assert len(provider.got) == 1
        clock.move_to(NOW + timedelta(days=2))
        runtime.drain()
        assert len(provider.got) == 2
        assert runtime.url in provider.got[0].headers["List-Unsubscribe"]


def test_draining_is_quick_when_nothing_is_due(settings: Settings):
    with Runtime(settings, bundle=BUNDLE) as runtime:
        runtime.drain()
        began = time.perf_counter()
        for _ in range(20):
            runtime.drain()
        assert (time.perf_counter() - began) / 20 < 0.05


def test_draining_waits_for_no_provider_that_wants_to_be_left_alone(settings: Settings):
    clock, provider = SteppedClock(NOW), Provider()
    with Runtime(settings, bundle=BUNDLE, clock=clock, email=provider) as runtime:
        provider.away = True
        post(runtime, 1, "form.submitted", form="newsletter")
        runtime.drain()
        provider.away = False
        clock.move_to(NOW + timedelta(hours=1))
        runtime.drain()
        assert len(provider.got) == 1


def test_what_cannot_be_drained_in_time_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    with Runtime(settings, bundle=BUNDLE) as runtime:
        monkeypatch.setattr(runtime.app, "process", lambda _slice: None)
        post(runtime, 1, "page.viewed", url="/")
        with pytest.raises(NotDrained, match="still work"):
            runtime.drain(0.2)


def test_the_sweep_finds_what_nobody_was_told_of(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    with Runtime(settings, bundle=BUNDLE) as runtime:
        monkeypatch.setattr(runtime.app.announcer, "slices", lambda _slices: None)
        post(runtime, 1, "page.viewed", url="/")
        monkeypatch.undo()
        deadline = time.monotonic() + 10
        while _backlog(runtime):
            assert time.monotonic() < deadline
            time.sleep(0.02)


def _backlog(runtime: Runtime) -> int:
    with runtime.engine.begin() as conn:
        return status.read(conn, runtime.clock()).backlog


def test_the_same_rules_are_put_in_force_once_and_others_replace_them(settings: Settings):
    versions = []
    for bundle in (BUNDLE, BUNDLE, BUNDLE | {"rules/extra.yaml": "source: typeform\n"}):
        with Runtime(settings, bundle=bundle) as runtime:
            versions.append(runtime.rulebook.version)
    assert versions[0] == versions[1] != versions[2]


def test_sources_without_a_secret_get_one_of_the_folders_own(database_url: str, tmp_path: Path):
    bare = Settings.from_environ({
        "DRIPLINE_DATABASE_URL": database_url, "DRIPLINE_DATA_DIR": str(tmp_path), "DRIPLINE_PORT": "0",
    })  # fmt: skip
    bundle = BUNDLE | {"rules/mail.yaml": "source: sendgrid\n"}
    with Runtime(bare, bundle=bundle) as runtime:
        doors = runtime.doors()
        assert doors["product"] == ""
        assert "DRIPLINE_SENDGRID_VERIFICATION_KEY is not set" in doors["sendgrid"]
        assert runtime.signable() == {"product": "standard"}


def test_a_folder_in_use_and_a_port_in_use_are_said_plainly_and_leave_the_other_alone(settings: Settings):
    with Runtime(settings, bundle=BUNDLE) as runtime:
        with pytest.raises(InUse, match="another `dripline dev`"):
            Runtime(settings, bundle=BUNDLE).start()
        port = int(runtime.url.rpartition(":")[2])
        elsewhere = dataclasses.replace(settings, port=port, data_dir=settings.data_dir.parent / "other")
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"), Runtime(elsewhere):
            pass
        assert requests.get(f"{runtime.url}/healthz", timeout=10).ok
    with Runtime(elsewhere, bundle=BUNDLE) as runtime:
        assert requests.get(f"{runtime.url}/healthz", timeout=10).ok


def test_rules_with_mistakes_start_nothing(settings: Settings):
    with pytest.raises(RulebookError):
        Runtime(settings, bundle=BUNDLE | {"rules/account.yaml": "accuont: {}"}).start()
    assert not settings.data_dir.exists()


def test_the_shipped_example_has_no_problems():
    assert check(shipped()) == []

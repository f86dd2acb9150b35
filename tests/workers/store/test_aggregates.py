"""The small ones: rulebook versions, quarantine, suppressions, status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.conftest import NOW
from tests.workers.engine.builders import rulebook
from workers.exceptions import NoRulebook, RulebookError
from workers.store import quarantine, rulebooks, status, suppressions
from workers.store.events import NewEvent, append
from workers.store.quarantine import NewQuarantined
from workers.store.rulebooks import Rulebooks
from workers.store.suppressions import Suppression

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def put(conn: Connection, version: str, files: dict[str, str] | None = None) -> int:
    return rulebooks.apply(conn, version, files or {"a.yaml": version}, author="ana", message="why", now=NOW)


def test_the_latest_applied_version_is_the_active_one_also_after_going_back(engine: Engine):
    with engine.begin() as conn:
        with pytest.raises(NoRulebook, match="dripline apply"):
            rulebooks.active(conn)
        first, second = put(conn, "v1"), put(conn, "v2")
        assert rulebooks.active(conn).version == "v2"
        assert put(conn, "v1", {"other": "ignored: the hash says they are the same"}) == first != second
        assert rulebooks.active(conn).version == "v1"
        assert rulebooks.files(conn, "v1") == {"a.yaml": "v1"}
        assert [v.version for v in rulebooks.versions(conn)] == ["v2", "v1"]
        with pytest.raises(NoRulebook, match="no rulebook v3"):
            rulebooks.files(conn, "v3")


def test_a_version_is_compiled_once_and_a_refused_one_never_replaces_a_running_one(engine: Engine):
    compiled = []

    def compile_(files):
        compiled.append(files["a.yaml"])
        if files["a.yaml"] == "bad":
            raise RulebookError(("bad.yaml:1:1: no",))
        return rulebook()

    cache = Rulebooks(compile_)
    with engine.begin() as conn:
        put(conn, "bad")
        with pytest.raises(RulebookError):
            cache.active(conn)
        good = put(conn, "v1")
        assert cache.active(conn) is cache.active(conn)
        assert cache.active(conn).id == good
        put(conn, "bad")
        assert cache.active(conn).id == cache.active(conn).id == good
        newer = put(conn, "v2")
        assert cache.active(conn).id == newer
    assert compiled == ["bad", "v1", "v2"]


def test_quarantine_keeps_deliveries_byte_for_byte_until_replayed(engine: Engine):
    kept = NewQuarantined(
        "typeform",
        "no-identity",
        "no e-mail\0 in answers",
        b"\x00\xff",
        {"x-sig": "a"},
        "https://x.test/hooks/typeform",
    )
    with engine.begin() as conn:
        assert quarantine.add(conn, [kept, replace(kept, place=7)], NOW) == 2
        first, second = quarantine.waiting(conn, 9)
        assert (first.payload, first.headers, first.url) == (kept.payload, kept.headers, kept.url)
        assert (first.kind, first.received_at, first.detail) == ("delivery", NOW, "no e-mail\ufffd in answers")
        assert (first.place, second.place) == (None, 7)
        assert quarantine.counts(conn) == {"no-identity": 2}
        assert quarantine.waiting(conn, 9, reason="other") == []
        assert [row.id for row in quarantine.lock(conn, [second.id])] == [second.id]
        quarantine.mark_replayed(conn, [second.id], NOW)
        assert quarantine.lock(conn, [second.id]) == []
        assert [row.id for row in quarantine.waiting(conn, 9)] == [first.id]
        assert quarantine.replay_events(conn, [first.id], NOW) == frozenset()
        assert quarantine.counts(conn) == {"no-identity": 1}


def test_an_address_is_suppressed_in_any_spelling_and_once_for_each_reason(engine: Engine):
    with engine.begin() as conn:
        assert suppressions.add(conn, [Suppression(" Ann@Acme.test", "bounced", 1, 2)], NOW) == 1
        assert suppressions.add(conn, [Suppression("ann@acme.test", "bounced")], NOW) == 0
        assert suppressions.add(conn, [Suppression("ann@acme.test", "complained")], NOW + timedelta(days=1)) == 1
        assert suppressions.reasons(conn, ["ANN@acme.test", "ben@acme.test"]) == {"ANN@acme.test": "bounced"}
        assert suppressions.reasons(conn, []) == {}
        suppressions.add(conn, [Suppression("@Bücher.test", "domain")], NOW)
        assert suppressions.reasons(conn, ["eve@xn--bcher-kva.test", "eve@sub.bücher.test"]) == {
            "eve@xn--bcher-kva.test": "domain"
        }


def test_status_counts_and_ages(engine: Engine):
    with engine.begin() as conn:
        empty = status.read(conn, NOW)
        assert (empty.version, empty.backlog, empty.oldest, empty.leads) == ("", 0, None, {})
        put(conn, "v1")
        append(conn, [NewEvent("s", "1", "t", NOW, "email:a", ("email:a",))], NOW)
        append(conn, [NewEvent("s", "2", "t", NOW, "email:b", ("email:b",))], NOW + timedelta(minutes=1))
        suppressions.add(conn, [Suppression("x@y.test", "bounced")], NOW)
        now = status.read(conn, NOW + timedelta(minutes=3))
    assert (now.version, now.backlog, now.oldest) == ("v1", 2, timedelta(minutes=3))
    assert now.suppressions == {"bounced": 1}

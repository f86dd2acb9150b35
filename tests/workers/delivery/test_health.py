"""How long a provider is left alone that does not answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from workers.delivery.health import IN_A_ROW, LONGEST, Health
from workers.store.pauses import Pause

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
PAUSE = timedelta(seconds=5)


def fail(health: Health, now: datetime, times: int = 1) -> datetime:
    """So many failures; until when it is left alone."""
    for _ in range(times):
        health.failed("smtp", now)
    return health.paused("smtp", now) or now


def test_it_is_tried_again_after_ever_longer_pauses_up_to_a_bound():
    health, now, pauses = Health(PAUSE), NOW, []
    until = fail(health, now, IN_A_ROW)
    for _ in range(6):
        pauses.append((until - now).total_seconds())
        now, until = until, fail(health, until)
    assert pauses == [5, 10, 20, 40, 60, 60]
    assert timedelta(seconds=60) == LONGEST


def test_mails_that_fail_together_are_one_failure_of_the_provider():
    health = Health(PAUSE)
    assert fail(health, NOW, 500) == NOW + PAUSE


def test_an_answer_forgets_it_all():
    health = Health(PAUSE)
    fail(health, fail(health, NOW, IN_A_ROW))
    health.answered("smtp")
    assert health.paused("smtp", NOW) is None
    assert fail(health, NOW, IN_A_ROW) == NOW + PAUSE


def test_one_that_says_how_long_gets_that():
    health = Health(PAUSE)
    health.failed("smtp", NOW, timedelta(hours=2))
    assert health.paused("smtp", NOW) == NOW + timedelta(hours=2)


# ── what others are told ─────────────────────────────────────────────────────────────────────────────────────


def test_a_pause_is_news_until_it_was_told_and_so_is_its_end():
    health = Health(PAUSE)
    fail(health, NOW, IN_A_ROW - 1)
    assert health.news() == {}
    until = fail(health, NOW)
    assert health.news() == {"smtp": Pause(NOW, until, IN_A_ROW)}
    health.told(health.news())
    assert health.news() == {}
    longer = fail(health, until)
    assert health.news() == {"smtp": Pause(NOW, longer, IN_A_ROW + 1)}
    health.answered("smtp")
    assert health.news() == {"smtp": None}
    health.told(health.news())
    assert health.news() == {}


def test_what_changes_while_it_is_told_is_news_still():
    health = Health(PAUSE)
    until = fail(health, NOW, IN_A_ROW)
    old = health.news()
    health.answered("smtp")
    health.told(old)
    assert health.news() == {"smtp": None}
    fail(health, until, IN_A_ROW)
    health.told({"smtp": None})
    assert health.news()["smtp"] == Pause(until, until + PAUSE, IN_A_ROW)


def test_an_answer_that_ends_no_pause_is_no_news():
    health = Health(PAUSE)
    fail(health, NOW)
    health.answered("smtp")
    health.answered("other")
    assert health.news() == {}

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from workers.config import Settings, parse_duration, settings_fields, spelled, variable
from workers.exceptions import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_an_empty_environment_gives_the_defaults():
    assert Settings.from_environ({}) == Settings()


def test_every_setting_has_a_sentence_and_survives_being_spelled_and_read_again():
    for each in settings_fields():
        assert each.metadata["says"]
        assert Settings.from_environ({variable(each.name): spelled(each.default)}) == Settings()


def test_values_are_read_by_their_type():
    settings = Settings.from_environ(
        {
            "DRIPLINE_PORT": "9000",
            "DRIPLINE_LEASE": "90s",
            "DRIPLINE_RETRY_SCHEDULE": "1s, 2m 3h",
            "DRIPLINE_DATA_DIR": "/srv/dripline",
        }
    )
    assert settings.port == 9000
    assert settings.lease == timedelta(seconds=90)
    assert settings.retry_schedule == (timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=3))
    assert str(settings.data_dir) == "/srv/dripline"


def test_a_value_is_taken_from_the_file_that_its_variable_names(tmp_path: Path):
    (tmp_path / "secret").write_text("hush\n")
    settings = Settings.from_environ(
        {
            "DRIPLINE_SECRET_FILE": str(tmp_path / "secret"),
            "DRIPLINE_SMTP_PASSWORD_FILE": str(tmp_path / "secret"),
        }
    )
    assert settings.secret == "hush"
    assert settings.adapters == {"DRIPLINE_SMTP_PASSWORD": "hush"}


def test_variables_of_adapters_are_kept_and_those_of_others_are_not():
    environ = {"DRIPLINE_SMTP_HOST": "mail", "DRIPLINE_TEST_REDIS_URL": "x", "HOME": "/root"}
    assert Settings.from_environ(environ).adapters == {"DRIPLINE_SMTP_HOST": "mail"}


def test_a_variable_that_nothing_uses_is_shown_with_the_nearest_right_name():
    settings = Settings.from_environ({"DRIPLINE_REDIS_ULR": "x", "DRIPLINE_SMTP_HOST": "y", "DRIPLINE_COLOUR": "red"})
    assert settings.strays(["smtp"]) == {"DRIPLINE_COLOUR": "", "DRIPLINE_REDIS_ULR": "DRIPLINE_REDIS_URL"}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"DRIPLINE_PORT": "http"}, "DRIPLINE_PORT is 'http'; write a whole number."),
        ({"DRIPLINE_LEASE": "5 fortnights"}, "DRIPLINE_LEASE is '5 fortnights'; write a duration such as 30s"),
        ({"DRIPLINE_RETRY_SCHEDULE": "5s soon"}, "write durations such as `5s 1m"),
        ({"DRIPLINE_WORKER_THREADS": "0"}, "DRIPLINE_WORKER_THREADS is 0; it has to be 4 or more."),
        ({"DRIPLINE_MAX_CONNECTIONS": "0"}, "DRIPLINE_MAX_CONNECTIONS is 0; it has to be 1 or more."),
        ({"DRIPLINE_LOG_LEVEL": "loud"}, "one of debug, info, warning, error"),
        ({"DRIPLINE_SECRET_FILE": "/nowhere/at/all"}, "DRIPLINE_SECRET_FILE names /nowhere/at/all, which cannot be"),
        ({"DRIPLINE_SECRET": "a", "DRIPLINE_SECRET_FILE": "b"}, "DRIPLINE_SECRET and DRIPLINE_SECRET_FILE are both"),
    ],
)
def test_an_unusable_value_is_refused_by_the_name_of_its_variable(environ: dict[str, str], says: str):
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    assert says in str(caught.value)


def test_a_secret_is_not_in_the_text_of_adapters():
    assert "hush" not in repr(Settings.from_environ({"DRIPLINE_SMTP_PASSWORD": "hush"}))


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("1.5h", 5400), (" 2d ", 172800), ("10m", 600)])
def test_durations(text: str, seconds: float):
    assert parse_duration(text) == timedelta(seconds=seconds)

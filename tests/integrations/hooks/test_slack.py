from __future__ import annotations

import pytest

from integrations.exceptions import ConfigurationError
from integrations.hooks.slack import LONGEST, Adapter, text_of


def test_a_text_is_what_people_read() -> None:
    assert text_of({"text": "Acme is back", "more": 1}) == "Acme is back"


def test_other_payloads_are_told_line_by_line() -> None:
    assert text_of({"type": "x", "data": {"seats": 3, "name": None}}) == "type: x\ndata.seats: 3\ndata.name: "


def test_what_a_lead_says_of_itself_calls_nobody() -> None:
    assert text_of({"text": "<!channel> A & B"}) == "&lt;!channel&gt; A &amp; B"


def test_a_text_is_cut_before_its_signs_are_written_longer() -> None:
    assert text_of({"text": "&" * (LONGEST + 5)}) == "&amp;" * LONGEST


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Adapter("hooks.slack.com/services/T0")
    assert caught.value.field == "url"


def test_the_address_is_a_secret_and_is_not_shown() -> None:
    assert "T0" not in repr(Adapter("https://hooks.slack.com/services/T0"))

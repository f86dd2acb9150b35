from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.exceptions import BadToken
from workers.tokens import LONGEST, Click, Open, Unsubscribe, read, sign

LINK = Unsubscribe(lead_id=7, key="mail:7:welcome:1:hello")


@given(st.integers(min_value=1, max_value=2**63 - 1), st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_reading_gives_back_what_was_signed(lead_id: int, key: str) -> None:
    link = Unsubscribe(lead_id=lead_id, key=key)
    assert read("secret", sign("secret", link), Unsubscribe) == link


def test_a_token_fits_into_a_url_and_names_nobody() -> None:
    token = sign("secret", LINK)
    assert token.replace("-", "").replace("_", "").isalnum()
    assert len(token) < 80


@given(st.text(max_size=120))
def test_made_up_text_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        read("secret", token, Unsubscribe)


@given(st.integers(min_value=0), st.sampled_from("ABab01-_"))
def test_a_changed_letter_is_refused(position: int, letter: str) -> None:
    token = sign("secret", LINK)
    index = position % (len(token) - 1)  # the last letter carries unused bits
    if token[index] != letter:
        with pytest.raises(BadToken):
            read("secret", token[:index] + letter + token[index + 1 :], Unsubscribe)


@pytest.mark.parametrize("token", ["", "A", "AAAA", "ä" * 8, "A" * (LONGEST + 1)])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        read("secret", token, Unsubscribe)


def test_another_secret_is_refused() -> None:
    with pytest.raises(BadToken):
        read("other", sign("secret", LINK), Unsubscribe)


@pytest.mark.parametrize(
    "link", [Click(7, "mail:7:welcome:1:hello", 1_767_000_000, "https://a.test/x?y=1\nz"), Open(7, "mail:1", 9)]
)
def test_every_kind_of_link_is_read_back_and_good_for_its_purpose_only(link: Click | Open) -> None:
    token = sign("secret", link)
    assert read("secret", token, type(link)) == link
    with pytest.raises(BadToken):
        read("secret", token, Unsubscribe)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.rulebook.mail.markup import attribute, attributes, replaced, tokens, without_comments

PIECES = st.sampled_from([
    "<p>", "</p>", '<a href="x>y">', "<a href='", '"', "'", ">", "<", "<!--", "-->", "<!doctype html>", "<style>",
    "</style>", "<title>", "</title>", "text", " ", "&lt;", "<br/>", "<?xml", "<![if mso]>",
])  # fmt: skip


@given(st.lists(PIECES, max_size=30))
def test_tokens_are_the_whole_and_nothing_else(pieces: list[str]) -> None:
    markup = "".join(pieces)
    found = list(tokens(markup))
    assert "".join(markup[token.at : token.end] for token in found) == markup
    assert [token.end for token in found[:-1]] == [token.at for token in found[1:]]


def test_attributes_say_where_their_values_are() -> None:
    markup = """<p>x</p><a  href="a>b" title='c"d' data-x=e hidden>"""
    *_, token = tokens(markup)
    assert [(each.name, each.value, each.quoted) for each in attributes(token)] == [
        ("href", "a>b", True), ("title", 'c"d', True), ("data-x", "e", False), ("hidden", "", False),
    ]  # fmt: skip
    assert all(markup[each.at : each.at + len(each.value)] == each.value for each in attributes(token))


def test_an_attribute_is_read_as_a_browser_reads_it() -> None:
    (token, *_) = tokens('<a HREF="?a=1&amp;b=2">')
    assert attribute(token, "href") == "?a=1&b=2"
    assert attribute(token, "title") is None


@pytest.mark.parametrize("name", ["style", "script", "title", "textarea", "mj-style", "mj-preview"])
def test_what_is_no_markup_is_no_markup(name: str) -> None:
    assert [token.kind for token in tokens(f"<{name}>a < b <p> </{name.upper()}>x")] == ["start", "raw", "end", "text"]


def test_values_of_attributes_are_replaced_in_place() -> None:
    changed = replaced("<p a='1' b=2>1</p><p a=1>", lambda _, each: "one" if each.value == "1" else each.value)
    assert changed == "<p a='one' b=2>1</p><p a=one>"


def test_authors_notes_are_left_out_and_what_outlook_reads_stays() -> None:
    kept = "<!--[if mso]><p><![endif]--><!--[if !mso]><!-->x<!--<![endif]-->"
    assert without_comments(f"<!-- ask Bob -->{kept}<!---->") == kept


def test_markup_made_to_take_long_takes_no_time() -> None:
    assert len(list(tokens("<a " * 20_000 + "<!--" * 20_000 + '<a b="' * 20_000))) > 0

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workers.delivery.compose import Composer, Links, message_id
from workers.engine.categories import NO_POLICY
from workers.engine.rules import Account, Rulebook, Tracking
from workers.exceptions import RenderError
from workers.tokens import Unsubscribe, read

SECRET = "s" * 32
ACCOUNT = Account("Acme", "Europe/Berlin", "EUR", "Nora at Acme <nora@acme.test>", "1 Road")
FILES = {
    "templates/hi/mail.txt": "---\nsubject: Hi\ncategory: marketing\n---\n{{ account.company }} {{ unsubscribe_url }}",
    "templates/bill/mail.txt": "---\nsubject: Bill\ncategory: transactional\n---\nPay",
}


def compose(template: str = "hi", account: Account = ACCOUNT, **lead: Any):
    rulebook = cast(
        "Rulebook", SimpleNamespace(account=account, templates=FILES, tracking=Tracking(), consent=NO_POLICY)
    )
    composer = Composer(rulebook, Links("https://go.acme.test/", SECRET))
    return composer.compose("mail:7:welcome:1:hello", 7, template, {"email": "ann@example.test"} | lead)


def test_marketing_mail_can_be_unsubscribed_with_one_click_and_names_nobody_in_the_link():
    mail = compose()
    url = mail.headers["List-Unsubscribe"].strip("<>")
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.text == f"Acme {url}"
    assert url.startswith("https://go.acme.test/unsubscribe/")
    assert "ann" not in url
    assert read(SECRET, url.rpartition("/")[2], Unsubscribe) == Unsubscribe(7, "mail:7:welcome:1:hello")


def test_transactional_mail_has_no_unsubscribe_headers():
    assert compose("bill").headers == {}


def test_the_message_id_is_the_keys_and_the_senders_domain():
    first, second = compose(), compose()
    assert first.message_id == second.message_id == message_id("mail:7:welcome:1:hello", "x <y@acme.test>")
    assert first.message_id.endswith("@acme.test")
    assert message_id("other", "y@acme.test") != first.message_id


def test_the_message_id_is_ascii_whatever_the_senders_domain() -> None:
    assert message_id("k", "Nora <nora@büro.example>").endswith("@xn--bro-hoa.example")
    with pytest.raises(RenderError, match="cannot stand in a mail"):
        message_id("k", "nobody")


def test_header_values_hold_no_line_breaks():
    mail = compose(account=replace(ACCOUNT, sender="Nora\r\nBcc: x <nora@acme.test>"))
    assert mail.sender == "Nora Bcc: x <nora@acme.test>"


@pytest.mark.parametrize(
    "email", ["", None, "ann", "a@b@c", "ann@x.test, ben@x.test", "ann@x.test\r\nBcc: ben@x.test", "Ann <ann@x.test>"]
)
def test_what_is_not_one_address_gets_no_mail(email: str | None):
    with pytest.raises(RenderError, match="not an address"):
        compose(email=email)

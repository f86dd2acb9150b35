"""What every e-mail provider has to do. Finds all adapters by itself; a new one needs only its cases."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from integrations import discovery
from integrations.contracts import Mail
from tests.contract.outcomes import FIXTURES, Case, cases, check, missing_outcomes, outcome, staged

if TYPE_CHECKING:
    from pathlib import Path

ADAPTERS = discovery.names("email")
CASES = [case for adapter in ADAPTERS for case in cases("email", adapter)]
ACCEPTING = [case for case in CASES if "accepted" in case.expect]
MAIL: Final = Mail(
    key="mail:17:welcome:1:hello",
    sender="Nora at Northwind <nora@northwind.example>",
    to="ann@acme.test",
    subject="Grüße aus Berlin",
    text="Hello Ann,\n.\nthis is it.\n",
    html="<p>Hello Ann</p>",
    message_id="d41d8cd98f@northwind.example",
    headers={"List-Unsubscribe": "<https://northwind.example/u/1>"},
)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_shows_what_it_makes_of_every_outcome(adapter: str) -> None:
    missing = missing_outcomes("email", adapter)
    assert not missing, f"add cases to {FIXTURES / 'email' / adapter / 'cases.yaml'} for: {', '.join(sorted(missing))}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_the_server_does_has_this_outcome(case: Case, tmp_path: Path) -> None:
    mail = replace(MAIL, text="x" * case.mail["size"]) if "size" in case.mail else MAIL
    with staged(case, tmp_path) as (adapter, _):
        check(outcome(lambda: adapter.send(mail)), case.expect)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": "Hi\r\nBcc: eve@evil.test"}, "bad-header"),
        ({"subject": "Hi\nBcc: eve@evil.test"}, "bad-header"),
        ({"subject": "Hi\x00"}, "bad-header"),
        ({"headers": {"X-A": "1\r\nBcc: eve@evil.test"}}, "bad-header"),
        ({"headers": {"X-A\r\nBcc: eve@evil.test\r\nX": "1"}}, "bad-header"),
        ({"headers": {"Bcc": "eve@evil.test"}}, "bad-header"),
        ({"headers": {"Content-Type": "text/html"}}, "bad-header"),
        ({"message_id": "a@b>\r\nBcc: eve@evil.test"}, "bad-header"),
        ({"to": "ann@acme.test\r\nRCPT TO:<eve@evil.test>"}, "bad-address"),
        ({"to": "ann@acme.test, eve@evil.test"}, "bad-address"),
        ({"to": "ann@acme.test> SIZE=1 <eve@evil.test"}, "bad-address"),
        ({"to": ""}, "bad-address"),
        ({"sender": "Nora\r\nBcc: eve@evil.test <nora@northwind.example>"}, "bad-address"),
    ],
)
@pytest.mark.parametrize("case", ACCEPTING, ids=str)
def test_nothing_breaks_out_of_a_header(case: Case, change: dict[str, object], code: str, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, _):
        check(outcome(lambda: adapter.send(replace(MAIL, **change))), {"rejected": code})
        assert outcome(lambda: adapter.send(MAIL))[0] == "accepted"


@pytest.mark.parametrize("case", ACCEPTING, ids=str)
def test_after_closing_it_can_be_used_again(case: Case, tmp_path: Path) -> None:
    with staged(case, tmp_path) as (adapter, _):
        adapter.send(MAIL)
        adapter.close()
        assert outcome(lambda: adapter.send(MAIL))[0] == "accepted"

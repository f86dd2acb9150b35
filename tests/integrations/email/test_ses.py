"""Amazon's own client makes the same call; that it signs alike is tested where the signing is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import botocore.session
import pytest
from botocore.config import Config

from integrations.email.ses import Adapter
from integrations.exceptions import ConfigurationError, Rejected
from integrations.mime import build
from integrations.posting import armoured
from tests.contract import comparing
from tests.contract.outcomes import MAIL

if TYPE_CHECKING:
    from typing import Any

NOW: Final = datetime(2026, 9, 7, 10, tzinfo=UTC)


def adapter(**given: Any) -> Adapter:
    standard: Any = {"region": "eu-central-1", "clock": lambda: NOW}
    return Adapter("AKIDEXAMPLE", "secret", **standard | given)


def test_their_client_makes_the_same_call(monkeypatch: pytest.MonkeyPatch) -> None:
    comparing.no_proxies(monkeypatch)
    with comparing.recorder(status=200, json={"MessageId": "m1"}) as server:
        comparing.send(adapter(base_url=comparing.url(server), configuration_set="dripline"), MAIL)
        client = botocore.session.Session().create_client(
            "sesv2", "eu-central-1", endpoint_url=comparing.url(server), aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret", config=Config(retries={"max_attempts": 1}),
        )  # fmt: skip
        client.send_email(
            Destination={"ToAddresses": [MAIL.to]},
            Content={"Raw": {"Data": build(MAIL, NOW).data}},
            EmailTags=[{"Name": "dripline_key", "Value": armoured(MAIL.key)}],
            ConfigurationSetName="dripline",
        )
        client.close()
    comparing.assert_same(*server.requests, headers=("content-type",))
    ours, theirs = (each["headers"]["authorization"].partition(", SignedHeaders")[0] for each in server.requests)
    assert ours.rpartition("/202")[0] == theirs.rpartition("/202")[0]


def test_the_address_is_that_of_the_region() -> None:
    assert adapter()._url == "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails"


def test_an_international_address_is_refused_before_ses_garbles_it() -> None:
    with pytest.raises(Rejected) as error:
        adapter().send(replace(MAIL, to="jürgen@acme.test"))
    assert error.value.code == "no-smtputf8"


@pytest.mark.parametrize("given", [{"region": "eu central"}, {"base_url": "email.test"}, {"session_token": "a\n"}])
def test_a_wrong_setting_is_named(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as error:
        adapter(**given)
    assert error.value.field in given

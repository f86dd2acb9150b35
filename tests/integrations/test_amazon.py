from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials

from integrations import amazon
from integrations.amazon import Certificates, Credentials, canonical, check_address, region_of, sign
from integrations.contracts import Request
from integrations.email.ses import Feedback
from integrations.exceptions import BadSignature, ConfigurationError, Malformed, Unavailable, Unverifiable
from tests.contract.outcomes import FIXTURES

TOPIC: Final = "arn:aws:sns:eu-central-1:123456789012:ses-events"
NOW: Final = datetime(2026, 9, 7, 10, 3, 1, tzinfo=UTC)
EXAMPLE: Final = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1")
CERTIFICATE: Final = (FIXTURES / "sources" / "ses" / "certificate.pem").read_bytes()
URL: Final = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────


# From Amazon's own test suite of Signature Version 4: get-vanilla, post-vanilla, get-vanilla-query-order-key-case.
@pytest.mark.parametrize(
    ("method", "url", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ],
)
def test_published_signatures(method: str, url: str, signature: str) -> None:
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    headers = sign(EXAMPLE, method, f"https://example.amazonaws.com{url}", service="service", body=b"", now=at)
    assert headers["authorization"].endswith(f"SignedHeaders=host;x-amz-date, Signature={signature}")


@pytest.mark.parametrize("token", ["", "a/session+token=="])
@pytest.mark.parametrize(
    "url", ["https://email.us-east-1.amazonaws.com/v2/email/outbound-emails", "http://x.test:81/a?b=c%20d&a="]
)
def test_amazons_own_client_signs_alike(token: str, url: str) -> None:
    body, headers = b'{"a": "\xc3\xbc"}', {"Content-Type": "application/json", "X-Odd": "  a   b "}
    theirs = AWSRequest("POST", url, data=body, headers=headers)
    signer = SigV4Auth(TheirCredentials("AKIDEXAMPLE", EXAMPLE.secret_access_key, token or None), "ses", "us-east-1")
    signer.add_auth(theirs)
    at = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = sign(replace(EXAMPLE, session_token=token), "POST", url, service="ses", body=body, now=at, headers=headers)
    assert ours["authorization"] == theirs.headers["Authorization"]


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_text_that_is_signed_is_as_documented() -> None:
    message = {
        "Type": "Notification",
        "MessageId": "m",
        "Subject": "s",
        "Message": "hi",
        "TopicArn": "t",
        "Timestamp": "x",
    }
    assert canonical(message, amazon.SIGNED["Notification"]) == (
        b"Message\nhi\nMessageId\nm\nSubject\ns\nTimestamp\nx\nTopicArn\nt\nType\nNotification\n"
    )
    del message["Subject"]
    assert b"Subject" not in canonical(message, amazon.SIGNED["Notification"])


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-central-1.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com.evil.test/x.pem",
        "https://evil.test/sns.eu-central-1.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com@evil.test/x.pem",
        "https://user@sns.eu-central-1.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com:8443/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem",
        "https://sns.eu-central-1.amazonaws.com\r\n.evil.test/x.pem",
        "https://[sns.eu-central-1.amazonaws.com/x.pem",
        "", None, 7, {"a": 1},
    ],
)  # fmt: skip
def test_only_addresses_of_the_notification_service_are_asked(url: Any) -> None:
    with pytest.raises(BadSignature):
        check_address(url, "eu-central-1")


@pytest.mark.parametrize("region", ["eu-central-1", "us-gov-west-1", "cn-north-1"])
def test_addresses_that_are_asked(region: str) -> None:
    partition = {"us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}.get(region, "aws")
    assert region_of(f"arn:{partition}:sns:{region}:123456789012:ses-events") == region
    assert check_address(f"https://sns.{region}.amazonaws.com/x.pem", region)
    assert check_address(f"https://sns.{region}.amazonaws.com.cn/x.pem", region)


class Served:
    """Stands for the network: what is fetched, and how often."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, data: bytes | Exception) -> None:
        self.urls: list[str] = []
        self.data = data
        monkeypatch.setattr(amazon, "download", self)
        monkeypatch.setattr("integrations.email.ses.download", self)

    def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        if isinstance(self.data, Exception):
            raise self.data
        return self.data


def test_a_certificate_is_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    served, certificates = Served(monkeypatch, CERTIFICATE), Certificates()
    assert certificates.get(URL, NOW) is certificates.get(URL, NOW)
    assert served.urls == [URL]


def test_strangers_cannot_fill_the_memory_with_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, CERTIFICATE)
    certificates = Certificates()
    for number in range(100):
        certificates.get(f"{URL}{number}", NOW)
    assert len(certificates._known) == amazon.KEPT


@pytest.mark.parametrize("at", [datetime(2025, 12, 31, tzinfo=UTC), datetime(2046, 1, 2, tzinfo=UTC)])
def test_a_certificate_has_its_time(at: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, CERTIFICATE)
    with pytest.raises(BadSignature, match="not valid now"):
        Certificates().get(URL, at)


def test_what_is_no_certificate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, b"<html>")
    with pytest.raises(BadSignature, match="is none"):
        Certificates().get(URL, NOW)


def test_a_certificate_that_cannot_be_had_now_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, Unavailable("no connection"))
    with pytest.raises(Unverifiable, match="no connection"):
        Certificates().get(URL, NOW)


def test_made_up_addresses_do_not_keep_us_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    served, certificates = Served(monkeypatch, CERTIFICATE), Certificates()
    known = certificates.get(URL, NOW)
    served.data = Unavailable("404")
    for number in range(20):
        with pytest.raises(Unverifiable):
            certificates.get(f"{URL}{number}", NOW)
    assert len(served.urls) == 2
    assert certificates.get(URL, NOW) is known
    served.data = CERTIFICATE
    certificates._paused_until = 0.0
    assert certificates.get(f"{URL}new", NOW)


# ── subscriptions ────────────────────────────────────────────────────────────────────────────────────────────


def delivery(name: str) -> Request:
    body = (FIXTURES / "amazon" / f"{name}.json").read_bytes()
    return Request("POST", "https://dripline.test/hooks/ses", {}, body, NOW)


def test_a_subscription_of_our_topic_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    served, source, request = Served(monkeypatch, CERTIFICATE), Feedback((TOPIC,)), delivery("SubscriptionConfirmation")
    source.verify(request)
    handshake = source.greet(request)
    assert handshake is not None
    assert handshake.confirm is not None
    handshake.confirm()
    assert served.urls == [URL, json.loads(request.body)["SubscribeURL"]]


def test_a_subscription_of_anybody_elses_topic_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served(monkeypatch, CERTIFICATE)
    with pytest.raises(BadSignature, match="TOPIC_ARNS"):
        Feedback((TOPIC.replace("ses-events", "other"),)).verify(delivery("SubscriptionConfirmation"))
    assert not served.urls, "strangers can make us fetch something"


def test_a_subscription_that_leads_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, CERTIFICATE)
    source, request = Feedback((TOPIC,)), delivery("elsewhere")
    source.verify(request)
    with pytest.raises(Malformed, match="cannot be confirmed"):
        source.greet(request)


def test_the_end_of_a_subscription_is_not_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, CERTIFICATE)
    source, request = Feedback((TOPIC,)), delivery("UnsubscribeConfirmation")
    source.verify(request)
    handshake = source.greet(request)
    assert handshake is not None
    assert handshake.confirm is None


def test_an_old_message_is_refused_unless_it_may_be_that_old(monkeypatch: pytest.MonkeyPatch) -> None:
    Served(monkeypatch, CERTIFICATE)
    late = replace(delivery("SubscriptionConfirmation"), received_at=NOW + timedelta(hours=2))
    with pytest.raises(BadSignature, match="Timestamp"):
        Feedback((TOPIC,)).verify(late)
    Feedback((TOPIC,), tolerance=timedelta(days=3)).verify(late)


@pytest.mark.parametrize("topics", [(), ("ses-events",), (TOPIC, "arn:aws:sqs:eu-central-1:123456789012:x")])
def test_a_topic_that_is_none_is_named(topics: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as error:
        Feedback(topics)
    assert error.value.field == "topic_arns"

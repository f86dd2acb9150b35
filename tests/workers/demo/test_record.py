from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta

import pytest

from workers.demo import record
from workers.demo.behaviour import END, START
from workers.demo.people import KINDS
from workers.demo.signing import Keys


@pytest.fixture(scope="module")
def deliveries():
    return record.read()


def test_the_recording_is_what_the_generator_makes(deliveries):
    assert record.record() == deliveries


def test_the_bytes_do_not_depend_on_when_they_are_written(tmp_path):
    record.write(tmp_path / "once")
    record.write(tmp_path / "twice")
    assert (tmp_path / "once").read_bytes() == (tmp_path / "twice").read_bytes()


def test_a_few_thousand_deliveries_of_six_hundred_people_in_order(deliveries):
    assert 2500 <= len(deliveries) <= 3500
    assert sum(KINDS.values()) == 600
    assert [each.at for each in deliveries] == sorted(each.at for each in deliveries)
    assert deliveries[0].at > START
    assert deliveries[-1].at < END


def test_every_trouble_of_real_webhooks_is_in_it(deliveries):
    kinds = Counter(each.kind for each in deliveries)
    assert kinds["duplicate"] > 50
    assert kinds["late"] > 20
    assert min(kinds[fault] for fault in ("partial", "nobody", "test-event", "no-user", "broken")) >= 2
    assert '"sg_machine_open":true' in "".join(each.body for each in deliveries)


def test_a_retry_is_the_same_delivery_again(deliveries):
    firsts = {(each.source, each.id): each.body for each in deliveries if each.kind != "duplicate"}
    retries = [each for each in deliveries if each.kind == "duplicate"]
    assert all(firsts[each.source, each.id] == each.body for each in retries)


def test_no_two_mail_events_of_a_person_share_a_second(deliveries):
    seen = Counter()
    for each in deliveries:
        if each.source == "sendgrid" and each.kind != "duplicate":
            seen.update((row["email"], row["timestamp"]) for row in json.loads(each.body) if "email" in row)
    assert max(seen.values()) == 1


def test_nobody_in_it_can_exist(deliveries):
    domains = {
        row["email"].rpartition("@")[2]
        for each in deliveries
        if each.source == "sendgrid"
        for row in json.loads(each.body)
        if "email" in row
    }
    assert {domain.rpartition(".")[2] for domain in domains} <= {"test", "example"}


def test_each_delivery_is_signed_the_way_its_vendor_signs(deliveries):
    keys = Keys()
    now = START + timedelta(days=1)
    names = {each.source: set(keys.headers(each, now)) - {"Content-Type"} for each in deliveries[:400]}
    assert names == {
        "typeform": {"Typeform-Signature"},
        "product": {"webhook-id", "webhook-timestamp", "webhook-signature"},
        "sendgrid": {
            "X-Twilio-Email-Event-Webhook-Signature",
            "X-Twilio-Email-Event-Webhook-Timestamp",
        },
    }

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from workers.demo.hooks import HookReceiver
from workers.demo.hubspot import HubSpotStub
from workers.demo.run import OWNERS, Others, demo, play
from workers.demo.smtp import SmtpServer

DAYS = 6


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


def test_a_short_demo_does_what_the_rules_say_and_tells_it(tmp_path, console):
    file = tmp_path / "result.json"
    assert demo(file, days=DAYS, console=console) == 0
    data = json.loads(file.read_text())
    assert data["as_the_rules_say"] is True
    assert data["events_accepted"] > 150
    assert data["leads"] == sum(data["leads_by_stage"].values()) > 50
    assert data["mails_sent"] == data["outbox"]["email sent"] > 50
    assert data["days"] == DAYS
    assert 0 < data["duration_s"] < 60
    told = console.file.getvalue()
    assert "What went out is what the rules say, each thing exactly once" in told
    assert f"{data['mails_sent']} mails taken by the SMTP server" in told


def test_it_says_what_is_missing_when_a_mail_does_not_arrive(tmp_path, console):
    lost = {"stefan.weber@linden-outfitters.test"}
    with SmtpServer(refuse=frozenset(lost)) as smtp, HubSpotStub(owners=OWNERS) as crm, HookReceiver() as hooks:
        summary = play(tmp_path, Others(smtp, crm, hooks), console, 1)
    assert {re.search(r"\S+@\S+", difference)[0] for difference in summary.differences} == lost
    assert "the rules say 1, 0 arrived" in summary.differences[0]
    assert summary.outbox["email dead 550"] == 1


def test_a_folder_that_is_to_be_kept_is_kept(tmp_path, console):
    kept = tmp_path / "kept"
    assert demo(keep=kept, days=1, console=console) == 0
    assert (kept / "postgres").is_dir()

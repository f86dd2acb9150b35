from __future__ import annotations

from collections import Counter

import pytest

from workers.demo import record
from workers.demo.expect import GoneOut, Known, Mirror, differences, lead_differences
from workers.demo.signing import Keys
from workers.demo.timeline import WHO, beats, waves
from workers.engine.values import LeadState
from workers.rulebook import compile_rulebook, shipped

HELLO = ("ann@acme.test", "welcome", "1", "hello")
DEAL = ("ann@acme.test", "Acme", "1200.00")


@pytest.fixture(scope="module")
def mirror():
    mirror = Mirror(compile_rulebook(shipped()), Keys().settings)
    mirror.play(beats(record.read()))
    return mirror


def test_the_example_company_has_a_believable_quarter(mirror):
    stages = Counter(lead.state.stage for lead in mirror.leads.values())
    assert len(mirror.leads) == 600
    assert stages["subscriber"] > stages["lead"] > stages["opportunity"] > 0
    assert 15 <= len(mirror.gone_out.deals) <= 30
    assert {campaign for _, campaign, _, _ in mirror.gone_out.mails} == {
        "welcome",
        "trial-nurture",
        "asked-us",
        "hot-lead",
    }
    assert any(lead.state.missing for lead in mirror.leads.values())
    assert {lead.state.suppressed for lead in mirror.leads.values()} == {"", "bounced", "complained", "unsubscribed"}


def test_every_effect_is_decided_once(mirror):
    assert set(mirror.gone_out.mails.values()) == {1}
    assert set(mirror.gone_out.deals.values()) == {1}


def test_every_kind_of_trouble_is_met(mirror):
    assert {"accepted", "duplicates", "unreadable", "ignored", "malformed"} <= set(mirror.counts)


@pytest.mark.parametrize(
    ("arrived", "said"),
    [
        (GoneOut(Counter([HELLO]), Counter([DEAL])), []),
        (GoneOut(Counter([HELLO, HELLO]), Counter([DEAL])), ["mail ann@acme.test welcome 1 hello: the rules say 1, 2"]),
        (GoneOut(Counter([HELLO]), Counter()), ["opportunity ann@acme.test Acme 1200.00: the rules say 1, 0"]),
    ],
    ids=["the-same", "twice", "missing"],
)
def test_what_differs_is_listed(arrived, said):
    found = differences(GoneOut(Counter([HELLO]), Counter([DEAL])), arrived)
    assert [each.removesuffix(" arrived") for each in found] == said


def test_a_lead_that_stands_elsewhere_is_listed():
    expected = {"ann@acme.test": Known(1, "ann@acme.test", LeadState(stage="lead"))}
    assert lead_differences(expected, {"ann@acme.test": LeadState(stage="lead")}) == []
    assert lead_differences(expected, {}) == ["lead ann@acme.test: stage should be lead, the store has none"]


def test_nobody_occurs_twice_in_a_wave_and_everybody_stays_in_order():
    for beat in beats(record.read()):
        for wave in beat.waves:
            people = [person for delivery in wave for person in set(WHO.findall(delivery.body))]
            assert max(Counter(people).values(), default=1) == 1
        posted = [delivery for wave in beat.waves for delivery in wave]
        for person in {who for delivery in posted for who in WHO.findall(delivery.body)}:
            theirs = [delivery.at for delivery in posted if f'"{person}"' in delivery.body]
            assert theirs == sorted(theirs)


def test_every_delivery_is_played_once():
    deliveries = record.read()
    assert sum(len(wave) for beat in beats(deliveries) for wave in beat.waves) == len(deliveries)
    assert waves([]) == ()

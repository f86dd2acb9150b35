"""What a bundle compiles to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.workers.rulebook.base import BASE, changed
from workers.engine.counters import Counted
from workers.engine.decay import DAY, KEEP, Expiry, HalfLife, Steps
from workers.engine.hours import WORKING_WEEK, Calendar
from workers.engine.rules import Field, Owner, Part
from workers.engine.steps import end, send, wait
from workers.engine.values import instant
from workers.rulebook import compile_rulebook
from workers.rulebook.nodes import Scalar
from workers.rulebook.notations import Limited
from workers.rulebook.problems import Place


def test_scores(rulebook):
    model = rulebook.models["engagement"]
    assert model.parts == (Part("engagement", HalfLife(30 * DAY)),)
    assert (model.minimum, model.maximum) == (0, 100)
    assert [(band.name, band.enter, band.leave) for band in model.bands] == [("warm", 30, 20), ("hot", 70, 55)]
    assert [rule.id for group in model.groups for rule in group.profile_rules] == ["engagement.big"]
    assert [(rule.id, rule.part) for rules in rulebook.by_event.values() for rule in rules] == [
        ("engagement.demo", "engagement"),
        ("engagement.tried", "engagement"),
        ("engagement.score.adjusted", "engagement"),  # what campaigns add
    ]
    points = {event: [rule.points for rule in rules] for event, rules in rulebook.by_event.items()}
    (adjusting,) = points.pop("score.adjusted")
    assert adjusting.source == "event.points"
    assert points == {"form.submitted": [40], "trial.started": [20]}


def test_campaigns(rulebook):
    campaign = rulebook.campaigns["welcome"]
    assert campaign.again is None
    assert campaign.steps == (
        send.Step("welcome/hello", "send-welcome-hello"),
        wait.Step(timedelta(days=2), "wait-2-days"),
        send.Step("welcome/hello", "send-welcome-hello-2"),
        end.Step("done", "end-done"),
    )
    assert [type(step.id) for step in campaign.steps] == [str] * 4
    assert [trigger.stage for trigger in campaign.exits] == [None, "opportunity"]
    assert rulebook.enter_by_event == {"form.submitted": ((campaign, campaign.enter[0]),)}
    assert rulebook.exit_by_event == {"email.replied": ((campaign, campaign.exits[0]),)}


def test_promotion(rulebook):
    rule = rulebook.promotion
    assert (rule.at, rule.at_least, list(rule.evidence), rule.close_in) == ("lead", 1, ["size"], timedelta(days=45))
    assert (rule.crm, rule.pipeline, rule.stage, rule.currency) == ("hubspot", "default", "new", "EUR")
    assert rule.amount.value({}, {"employees": 5}, None) == 50


@pytest.mark.parametrize(("measure", "needed"), [("all: true", 2), ("any: true", 1), ("at_least: 2", 2)])
def test_how_much_evidence(measure, needed):
    old = "{at_least: 1, of: {size: lead.employees > 10}}"
    new = f"{{{measure}, of: {{size: lead.employees > 10, name: lead.first_name is defined}}}}"
    assert compile_rulebook(changed("rules/promotion.yaml", old, new)).promotion.at_least == needed


def test_the_rest(rulebook):
    assert [stage.name for stage in rulebook.stages] == ["subscriber", "lead", "opportunity"]
    types = {"first_name": "text", "employees": "integer", "country": "country"}
    assert rulebook.fields == {name: Field(name, kind) for name, kind in types.items()}
    assert rulebook.events["trial.started"] == {"plan": "text"}
    assert rulebook.events["form.submitted"] == {"form": "text"}
    assert rulebook.account.sender == "Ann <ann@acme.example>"
    assert sorted(rulebook.templates) == ["templates/welcome/hello/mail.html", "templates/welcome/hello/mail.txt"]
    source = rulebook.sources["forms"]
    assert (source.adapter, source.options) == ("typeform", {"fields": {"anything": "goes"}})


def test_no_located_text_is_left(rulebook):
    texts = [*rulebook.fields, *rulebook.events, *rulebook.models, *rulebook.campaigns, *rulebook.sources]
    texts += [*rulebook.promotion.evidence, rulebook.promotion.name.source, rulebook.account.zone, *rulebook.by_event]
    assert {type(text) for text in texts} == {str}


# ── the words of issue 3 ─────────────────────────────────────────────────────────────────────────────────────


def test_sums_are_shared_unless_a_rule_has_a_range_or_decay_of_its_own(full):
    rules = {rule.id: rule for rules in full.by_event.values() for rule in rules}
    assert {name: rule.part for name, rule in rules.items() if rule.model == "engagement"} == {
        "engagement.pricing": "engagement/web",
        "engagement.demo": "engagement",
        "engagement.form": "engagement",
        "engagement.click": "engagement/mail",
        "engagement.order": "engagement.order",
        "engagement.spring": "engagement.spring",
        "engagement.trial": "engagement.trial",
        "engagement.gone": "engagement.gone",
        "engagement.score.adjusted": "engagement",
    }
    assert full.models["engagement"].groups[0].parts == (
        Part("engagement", HalfLife(30 * DAY)),
        Part("engagement.order", HalfLife(90 * DAY)),
        Part("engagement.spring", HalfLife(30 * DAY), 0, 40),
        Part("engagement.trial", Expiry(90)),
        Part("engagement.gone", KEEP),
    )
    web = full.models["engagement"].groups[1]
    assert (web.name, web.minimum, web.maximum, len(web.parts)) == ("web", 0, 30, 1)
    assert [rule.id for rule in web.profile_rules] == ["engagement.active"]
    assert full.models["usage"].parts == (Part("usage", Steps(20, 7 * DAY)),)
    assert all(rule.decay == next(p.decay for m in full.models.values() for p in m.parts if p.name == rule.part)
               for rule in rules.values())  # fmt: skip


def test_which_events_count(full):
    rules = {rule.id: rule for rules in full.by_event.values() for rule in rules}
    limits = {name: (rule.limit.most, rule.limit.key and rule.limit.key.source, rule.limit.window)
              for name, rule in rules.items() if rule.limit}  # fmt: skip
    assert limits == {
        "engagement.pricing": (3, None, "day"),
        "engagement.demo": (1, "event.form", None),
        "engagement.form": (2, "event.form", "week"),
        "engagement.click": (1, None, 14 * DAY),
        "usage.trial": (3, None, None),
    }
    assert rules["engagement.click"].every == 3
    spring = rules["engagement.spring"]
    assert instant(spring.since) == datetime(2026, 1, 31, 23, tzinfo=UTC)  # midnight in Berlin
    assert instant(spring.until) == datetime(2026, 6, 1, 12, tzinfo=UTC)
    order = rules["engagement.order"]
    assert (order.points.value({"amount": 350}, {}, None), order.least, order.most) == (3.5, 0, 50)


def test_formulas_grades_segments_and_stages(full):
    assert full.models["priority"].formula.source.startswith('score("fit")')
    assert list(full.models)[-1] == "priority"  # worked out of the others, so read last
    assert (full.grades["worth"].models, full.grades["worth"].labels) == (
        ("fit", "engagement"),
        {"Ahot": "A1", "Awarm": "A2"},
    )
    assert list(full.segments) == ["north", "enterprise", "sleepy", "fresh", "busy", "top"]
    stages = {stage.name: stage for stage in full.stages}
    assert stages["recycled"].back_from == ("sales-qualified", "opportunity")
    assert (stages["disqualified"].terminal, stages["disqualified"].reason) == (True, "asleep")
    assert (full.models["engagement"].bands[1].hold, full.models["engagement"].bands[1].cool_down) == (
        DAY // 24,
        7 * DAY,
    )


def test_fields(full):
    assert full.fields["interests"] == Field("interests", "list of text", "union", ("bi", "ml"))
    assert full.fields["first_name"] == Field("first_name", "text", personal=True)
    assert full.fields["marks"].type == "list of text"
    assert full.credit == DAY


def test_hand_off(full):
    rule = full.promotion
    assert rule.owners == (Owner("ana@acme.example", 2, 5, 1), Owner("ben@acme.example", 1, 20, 14))
    assert [(when.source, owners) for when, owners in rule.territories] == [
        ('lead.country in ["DE", "AT", "CH"]', (Owner("vera@acme.example"),))
    ]
    assert (rule.fallback, rule.note, rule.escalate_to) == ("lead@acme.example", "handoff/note", "head@acme.example")
    assert (rule.accept_within, rule.business_time) == (timedelta(hours=2), True)
    assert rule.again.source == 'days_since("crm.lost") > 90'


def test_business_days(rulebook, full):
    assert rulebook.account.business == WORKING_WEEK
    assert full.account.business == Calendar(
        frozenset({0, 1, 2, 3}), ("DE-BY", "lead"), extra=frozenset({date(2026, 12, 24)})
    )


def test_one_owner_is_everybody(rulebook):
    rule = rulebook.promotion
    assert (rule.owners, rule.fallback, rule.again) == ((Owner("ana@acme.example"),), "ana@acme.example", None)


def test_what_is_counted_is_what_somebody_asks(full):
    assert full.counted == {
        "content.downloaded": Counted({DAY: 60}),
        "crm.lost": Counted(),
        "email.clicked": Counted(),
        "form.submitted": Counted(),
        "page.viewed": Counted({DAY // 24: 12, 60_000_000: 30}, {"url": 30}),
    }
    longest = {
        **BASE,
        "rules/segments.yaml": """\
segments:
  a: count("page.viewed", within="7d") > 1 and count("page.viewed", within="30d") > 1
  b: distinct("page.viewed", "url", within="7d") > 1 and distinct("page.viewed", "url") > 1
  c: distinct("form.submitted", "form", within="1d") > 1 and distinct("form.submitted", "form", within="2 weeks") > 1
""",
    }
    assert compile_rulebook(longest).counted == {
        "form.submitted": Counted({}, {"form": 14}),
        "page.viewed": Counted({DAY: 30}, {"url": 0}),
    }
    of_late = {**BASE, "rules/segments.yaml": """\
segments:
  a: first("page.viewed", within="7d") < first("page.viewed", within="5h")
  b: now() - first("page.viewed", within="30d") > 1 and count("page.viewed", within="2d") > 1
  c: last("form.submitted", within="9d") is defined and days_since("form.submitted", within="90m") < 1
"""}  # fmt: skip
    assert compile_rulebook(of_late).counted == {
        "form.submitted": Counted(),
        "page.viewed": Counted({DAY: 2}, {}, {DAY: 30, DAY // 24: 5}),
    }


@pytest.mark.parametrize(
    ("written", "limit"),
    [
        ("once", (1, "", None)),
        ("3 times", (3, "", None)),
        ("once per day", (1, "", "day")),
        ("2 per hour", (2, "", "hour")),
        ("1 per 14 days", (1, "", timedelta(days=14))),
        ("once per event.form", (1, "event.form", None)),
        ("2 times per event.form", (2, "event.form", None)),
        ("  2  per  event.url | lower  per  month ", (2, "event.url | lower", "month")),
        ("1 per event.day", (1, "event.day", None)),
        ('1 per event.url ~ " per " ~ event.form per week', (1, 'event.url ~ " per " ~ event.form', "week")),
        ("3", None),
        ("3 a day", None),
        ("once per", None),
        ("1000 per day", None),
        ("-1 per day", None),
        ("", None),
    ],
)
def test_limits_as_people_write_them(written, limit):
    read = Limited.read(Scalar(Place("x"), written, written))
    assert (None if read is None else (read.most, read.key, read.window)) == limit
    if read and read.key:
        assert written[read.key_at :].startswith(read.key)


def test_a_thousand_rules_are_one_rulebook():
    when = 'event.form == "f%d" and event.form != "g%d" and "x" not in event.form'
    rule = f"{{event: form.submitted, when: '{when}', points: 5}}"
    files = {
        f"rules/scoring/s{number}.yaml": f"score: s{number}\nrules:\n"
        + "".join(f"  r{index}: {rule % (index, index)}\n" for index in range(100))
        for number in range(10)
    }
    rulebook = compile_rulebook({**BASE, **files})
    assert len(rulebook.by_event["form.submitted"]) == 1_001

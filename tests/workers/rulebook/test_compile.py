"""What a bundle compiles to, and that nothing `check` accepts fails in the engine."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.rulebook.base import BASE
from tests.workers.rulebook.full import FULL
from tests.workers.rulebook.validity import complaints
from workers.engine.counters import Counted
from workers.engine.decay import DAY, KEEP, Expiry, HalfLife, Steps
from workers.engine.decide import decide
from workers.engine.hours import WORKING_WEEK, Calendar
from workers.engine.rules import Field, Owner, Part
from workers.engine.steps import end, send, wait
from workers.engine.values import Event, LeadState, instant
from workers.exceptions import NeedsHistory, RulebookError
from workers.rulebook import check, compile_rulebook, examples_of, read
from workers.rulebook.mail.files import content_of, size_of, stored
from workers.rulebook.nodes import Scalar
from workers.rulebook.notations import Limited
from workers.rulebook.problems import Place

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def rulebook():
    return compile_rulebook(BASE)


def changed(path: str, old: str, new: str) -> dict[str, str]:
    assert old in BASE[path]
    return {**BASE, path: BASE[path].replace(old, new)}


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


@pytest.fixture(scope="module")
def full():
    assert check(FULL) == []
    return compile_rulebook(FULL)


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
    ("path", "old", "new", "same"),
    [
        ("rules/scoring/fit.yaml", "score: fit", "# hello\nscore: fit", True),
        ("rules/campaigns/welcome.yaml", "2 days", "3 days", True),
        ("rules/lifecycle.yaml", ">= 10", ">= 11", True),
        ("rules/segments.yaml", "fresh: now()", "fresh: now( )", True),
        ("rules/fields.yaml", "first_name: {type: text, personal: true}", "first_name: text", True),
        ("rules/promotion.yaml", "seats >= 5", "seats >= 6", True),
        ("rules/account.yaml", "company: Acme", "company: Acme Inc", True),
        ("rules/scoring/fit.yaml", "points: 60", "points: 61", False),
        ("rules/scoring/usage.yaml", "percent: 20", "percent: 21", False),
        ("rules/segments.yaml", '"DE", "DK"', '"DE", "SE"', False),
        ("rules/segments.yaml", '"30d") < 3', '"31d") < 3', False),
        ("rules/segments.yaml", 'first("form.submitted")', 'first("form.submitted", within="9d")', False),
        ("rules/fields.yaml", "merge: highest", "merge: last", False),
        ("rules/fields.yaml", "[bi, ml]", "[bi, ml, ai]", False),
        ("rules/events.yaml", "amount: money", "amount: text | money", None),
        ("rules/events.yaml", "plan: text", "plan: country", False),
        ("rules/machines.yaml", "1 day", "2 days", False),
        ("rules/promotion.yaml", "crm.lost", "email.replied", False),
        ("rules/account.yaml", "Europe/Berlin", "Europe/Lisbon", False),
    ],
)
def test_leads_are_counted_anew_when_what_counting_depends_on_changes(full, path, old, new, same):
    assert old in FULL[path]
    changed_bundle = {**FULL, path: FULL[path].replace(old, new)}
    if same is None:
        assert check(changed_bundle)
        return
    assert (compile_rulebook(changed_bundle).scoring == full.scoring) is same


def test_examples_change_nothing_but_the_version():
    bundle = {**FULL}
    for name, path in (("x", "rules/scoring/fit.yaml"), ("y", "rules/campaigns/welcome.yaml")):
        bundle[path] += f"\nexamples: [{{name: {name}, given: {{}}, expect: {{promoted: false}}}}]\n"
    plain, other = compile_rulebook(FULL), compile_rulebook(bundle)
    assert plain.version != other.version
    assert plain.scoring == other.scoring
    assert plain.campaigns["welcome"].version == other.campaigns["welcome"].version
    assert [str(each.name) for each in examples_of(bundle)] == ["y", "a demo is worth something", "x"]
    assert str(examples_of(bundle)[0].node.place) == "rules/campaigns/welcome.yaml:10:12"


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


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_version_is_the_content(rulebook):
    assert len(rulebook.version) == 64
    assert compile_rulebook(dict(reversed(BASE.items()))).version == rulebook.version
    commented = changed("rules/campaigns/welcome.yaml", "campaign: welcome", "campaign: welcome  # hello")
    assert compile_rulebook(commented).version != rulebook.version


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("campaign: welcome", "# hello\ncampaign: welcome", True),
        ("- wait: 2 days", "- {wait: 2 days}", True),
        ("- wait: 2 days", "- wait: 3 days", False),
        ('"newsletter"', '"demo"', False),
    ],
)
def test_a_campaigns_version_is_what_it_says(rulebook, old, new, same):
    other = compile_rulebook(changed("rules/campaigns/welcome.yaml", old, new))
    assert (other.campaigns["welcome"].version == rulebook.campaigns["welcome"].version) is same


def test_given_ids_stay():
    given_id = changed("rules/campaigns/welcome.yaml", "- wait: 2 days", "- wait: 2 days\n    id: pause")
    assert compile_rulebook(given_id).campaigns["welcome"].steps[1].id == "pause"


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_read(tmp_path):
    for path, text in {**BASE, "rules/notes.md": "x", "rules/.git/config": "x", "templates/.DS_Store": "x"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    assert read(tmp_path / "rules", tmp_path / "templates") == BASE
    (tmp_path / "rules/fields.yaml").write_bytes(
        b"\xef\xbb\xbf" + BASE["rules/fields.yaml"].replace("\n", "\r\n").encode()
    )
    assert read(tmp_path / "rules", tmp_path / "templates") == BASE


def test_read_refuses_what_is_no_text(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "rules").mkdir()
    (tmp_path / "templates" / "mail.html").write_bytes(b"\x89PNG\x00")
    with (tmp_path / "templates" / "film.mp4").open("wb") as film:
        film.truncate(50_000_000)
    (tmp_path / "rules" / "old.yaml").write_bytes("größe: 1".encode("latin-1"))
    (tmp_path / "rules" / "fit.yaml.bak").write_text("x")
    (tmp_path / "rules" / "huge.yaml").write_text("x" * 2_000_001)
    with pytest.raises(RulebookError) as caught:
        read(tmp_path / "rules", tmp_path / "templates")
    assert [(problem.file, problem.code) for problem in caught.value.problems] == [
        ("rules/fit.yaml.bak", "not-a-rule-file"),
        ("rules/huge.yaml", "too-large"),
        ("rules/old.yaml", "not-utf-8"),
        ("templates/film.mp4", "too-large"),
        ("templates/mail.html", "binary-file"),
    ]
    assert "50,000,000 bytes, and it can have 5,000,000; put it on your website" in str(caught.value)


def test_files_beside_templates_may_hold_anything(tmp_path):
    (tmp_path / "templates" / "a").mkdir(parents=True)
    (tmp_path / "rules").mkdir()
    (tmp_path / "templates" / "a" / "logo.png").write_bytes(b"\x89PNG\r\n\x00")
    (tmp_path / "templates" / "a" / "notes.md").write_text("for ourselves")
    bundle = read(tmp_path / "rules", tmp_path / "templates")
    assert bundle == {"templates/a/logo.png": stored(b"\x89PNG\r\n\x00")}
    assert content_of(bundle["templates/a/logo.png"]) == b"\x89PNG\r\n\x00"
    assert size_of(bundle["templates/a/logo.png"]) == 7


def test_read_without_a_folder(tmp_path):
    with pytest.raises(RulebookError, match="no-such-folder"):
        read(tmp_path / "rules", tmp_path / "templates")


def test_the_shipped_rules_have_no_mistake():
    assert check(read(ROOT / "rules", ROOT / "templates")) == []


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


# ── whatever is accepted runs ────────────────────────────────────────────────────────────────────────────────

PIECES = [
    "", " ", "\n", "  ", "- ", ":", "{", "}", "[", "]", "'", '"', "#", "&a ", "*a", "0", "-1", "99999999", "1.5",
    "true", "null", "x", "when: true", "event: email.opened", "stage: lead", "points: -10000", "half_life: 1 day",
    "3660 days", "1 second", "again: 1 second", "{stage: subscriber}", "lead.employees / 0", "lead.first_name",
    "now() > now()", 'score("engagement") > 5', 'band("engagement") == "hot"', "stage() is none", "all: true",
    "range: [-5, 1000000]", "- wait: 1 second\n", "- end: x\n", "- send: welcome/hello\n", "enter: 0.5", "leave: -3",
    "amount: 1e14", "limit: once", "3 per day", "once per event.form", "1 per 1 minute", "100 per event.url",
    "every: 2", "expire: 1 day", "decay: {percent: 99, every: 1 day}", "decay: none", "range: [-5, 5]", "group: web",
    "from: 2026-01-01", 'count("page.viewed", within="1 minute")', 'distinct("form.submitted", "form")',
    'segment("north")', 'last("crm.lost")', 'first("page.viewed", within="3h") < now()',
    'days_since("form.submitted", within="9d") > 1', "between: [-10, 10]", "first", "last", "highest", "union",
    "datetime", "zone", "list of integer", "cap: 1 per day", "terminal: true", "back_from: lead", "hold: 1 second",
    "1 business hour",
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.sampled_from(sorted(FULL)), st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES)),
    min_size=1,
    max_size=3,
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["demo", "newsletter", "ann@acme.test", 500, "DE", "ml", "later", "/pricing"]),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
KINDS = [
    "form.submitted", "trial.started", "email.opened", "email.clicked", "email.replied", "email.bounced", "crm.won",
    "crm.lost", "email.unsubscribed", "page.viewed", "order.placed", "webinar.attended", "content.downloaded",
]  # fmt: skip
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 10_000),
        st.dictionaries(st.sampled_from(["form", "plan", "machine", "kind", "url", "amount"]), VALUES, max_size=3),
        st.dictionaries(
            st.sampled_from(["email", "first_name", "employees", "country", "interests", "seats", "timeline"]),
            VALUES,
            max_size=4,
        ),
    ),
    max_size=8,
).map(
    lambda told: [
        Event(number, kind, NOW - timedelta(hours=ago), properties, lead)
        for number, (kind, ago, properties, lead) in enumerate(told, 1)
    ]
)


def edited(edits) -> dict[str, str]:
    """The full rulebook with a few of its lines or letters replaced."""
    bundle = dict(FULL)
    for path, where, length, piece in edits:
        text = bundle[path]
        at = int(where * len(text))
        bundle[path] = text[:at] + piece + text[at + length :]
    return bundle


def run(rulebook, events) -> LeadState:
    """A lead through its events one by one, its state stored in between, and a year and a half on."""
    state, now = LeadState(), NOW
    for count in range(len(events) + 1):
        new, history = events[count : count + 1], events[: count + 1]
        state = LeadState.load(decided(state, new, history, rulebook, now).state.dump())
    return decided(state, [], events, rulebook, NOW + timedelta(days=500)).state


def decided(state, new, history, rulebook, now):
    try:
        return decide(state, 1, new, rulebook, now)
    except NeedsHistory:
        return decide(state, 1, new, rulebook, now, history=history)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EDITS, EVENTS)
def test_whatever_is_accepted_runs_and_is_valid_for_editors(edits, events):
    bundle = edited(edits)
    problems = check(bundle)
    for problem in problems:
        assert problem.line <= bundle.get(problem.file, "").count("\n") + 1
        assert problem.code
        assert problem.text
    if not problems:
        run(compile_rulebook(bundle), events)
        for path in bundle:
            assert complaints(path, bundle[path]) == []


@settings(max_examples=100, deadline=None)
@given(events=EVENTS)
def test_every_word_runs_on_any_events(full, events):
    whole = decided(LeadState(), events, events, full, NOW)
    decided(whole.state, [], events, full, whole.wake_at or NOW)
    run(full, events)


# ── rules put together at random ─────────────────────────────────────────────────────────────────────────────

NUMBERS = st.integers(-20, 60)
DECAYS = st.sampled_from(
    [{}, {"half_life": "1 day"}, {"half_life": "30 days"}, {"decay": {"percent": 99, "every": "1 day"}},
     {"decay": {"percent": 1, "every": "90 days"}}, {"expire": "1 day"}, {"expire": "90 days"}, {"decay": "none"}]
)  # fmt: skip
RANGES = st.tuples(st.integers(-50, 0), st.integers(1, 100)).map(list)
EVENT_RULES = st.builds(
    lambda rule, decay, points: {**rule, **decay, **points},
    st.fixed_dictionaries(
        {"event": st.sampled_from(KINDS)},
        optional={
            "when": st.sampled_from(["true", "not false", "1 < 2"]),
            "limit": st.sampled_from(["once", "2 times", "1 per day", "2 per hour", "3 per 5 days", "1 per month"]),
            "every": st.integers(2, 4),
            "from": st.just("2026-01-01"),
            "until": st.sampled_from(["2026-02-01", "2026-02-20T12:00:00Z"]),
            "group": st.just("web"),
            "range": RANGES,
        },
    ),
    DECAYS,
    st.one_of(
        st.fixed_dictionaries({"points": NUMBERS}),
        st.fixed_dictionaries({"points": st.sampled_from(["5 / 2", "7 if true else 1"]), "between": RANGES}),
    ),
)
PROFILE_RULES = st.fixed_dictionaries(
    {
        "when": st.sampled_from(
            ["lead.employees > 5", 'segment("north")', 'count("page.viewed", within="3d") > 1', "lead.seats is none",
             'days_since("form.submitted") < 100', '"ml" in lead.interests', 'today() > date("2026-02-01")']
        ),
        "points": st.one_of(NUMBERS, st.sampled_from(["lead.seats * 2", 'count("email.clicked")'])),
    },
    optional={"group": st.just("web")},
)  # fmt: skip
SCORES = st.builds(
    lambda rules, decay, head: {
        "score": "made",
        "groups": {"web": {"range": [-10, 30]}},
        **head,
        **decay,
        "rules": rules,
    },
    st.dictionaries(st.sampled_from("abcdef"), st.one_of(EVENT_RULES, PROFILE_RULES), max_size=5),
    DECAYS,
    st.fixed_dictionaries(
        {},
        optional={
            "range": RANGES,
            "bands": st.sampled_from(
                [
                    {"low": {"enter": 1, "leave": 1}},
                    {"low": {"enter": 5, "leave": 2, "hold": "1 hour", "cool_down": "2 days"}},
                ]
            ),
        },
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SCORES, EVENTS)
def test_scores_made_at_random_run_the_same_in_one_go_and_in_many(score, events):
    """Only what makes no sense is refused; whatever is accepted runs, and how events are batched changes no score."""
    bundle = {**FULL, "rules/scoring/made.yaml": json.dumps(score)}
    try:
        rulebook = compile_rulebook(bundle)
    except RulebookError as error:
        codes = {problem.code for problem in error.problems}
        assert codes <= {"useless-key", "too-many-keys", "never-entered", "never-true"}
        return
    assert complaints("rules/scoring/made.yaml", bundle["rules/scoring/made.yaml"]) == []
    whole = decided(LeadState(), events, events, rulebook, NOW).state
    state = LeadState()
    for count in range(len(events)):
        state = LeadState.load(
            decided(state, events[count : count + 1], events[: count + 1], rulebook, NOW).state.dump()
        )
    assert {name: value for name, value in state.scores.items() if value} == {
        name: value for name, value in whole.scores.items() if value
    }
    assert (state.counts, state.grains) == (whole.counts, whole.grains)

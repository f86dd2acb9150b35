"""What a bundle compiles to, and that nothing `check` accepts fails in the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.rulebook.base import BASE
from workers.engine.decay import DAY, HalfLife
from workers.engine.decide import decide
from workers.engine.rules import Field, Part
from workers.engine.steps import end, send, wait
from workers.engine.values import Event, LeadState
from workers.exceptions import RulebookError
from workers.rulebook import check, compile_rulebook, read

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
    ]
    assert {event: [rule.points for rule in rules] for event, rules in rulebook.by_event.items()} == {
        "form.submitted": [40],
        "trial.started": [20],
    }


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
    (tmp_path / "templates" / "logo.png").write_bytes(b"\x89PNG\x00")
    (tmp_path / "rules" / "old.yaml").write_bytes("größe: 1".encode("latin-1"))
    (tmp_path / "rules" / "fit.yaml.bak").write_text("x")
    (tmp_path / "rules" / "huge.yaml").write_text("x" * 2_000_001)
    with pytest.raises(RulebookError) as caught:
        read(tmp_path / "rules", tmp_path / "templates")
    assert [(problem.file, problem.code) for problem in caught.value.problems] == [
        ("rules/fit.yaml.bak", "not-a-rule-file"),
        ("rules/huge.yaml", "too-large"),
        ("rules/old.yaml", "binary-file"),
        ("templates/logo.png", "binary-file"),
    ]


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
    "true", "null", "x", "when: true", "event: email.opened", "stage: lead", "points: -10000", "half_life: 1 hour",
    "3660 days",
    "1 second", "again: 1 second", "{stage: subscriber}", "lead.employees / 0", "lead.first_name", "now() > now()",
    'score("engagement") > 5', 'band("engagement") == "hot"', "stage() is none", "range: [-5, 1000000]", "all: true",
    "- wait: 1 second\n", "- end: x\n", "- send: welcome/hello\n", "enter: 0.5", "leave: -3", "amount: 1e14",
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.sampled_from(sorted(BASE)), st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES)),
    min_size=1,
    max_size=3,
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5), st.sampled_from(["demo", "newsletter", "ann@acme.test", 500]),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
EVENTS = st.lists(
    st.builds(
        lambda number, kind, ago, properties, lead: Event(number, kind, NOW - timedelta(hours=ago), properties, lead),
        st.integers(1, 10**9),
        st.sampled_from(
            ["form.submitted", "trial.started", "email.opened", "email.replied", "email.bounced", "crm.won"]
        ),
        st.integers(0, 10_000),
        st.dictionaries(st.sampled_from(["form", "plan", "machine", "kind"]), VALUES, max_size=3),
        st.dictionaries(st.sampled_from(["email", "first_name", "employees", "country"]), VALUES, max_size=4),
    ),
    max_size=6,
)


def edited(edits) -> dict[str, str]:
    """The base with a few of its lines or letters replaced."""
    bundle = dict(BASE)
    for path, where, length, piece in edits:
        text = bundle[path]
        at = int(where * len(text))
        bundle[path] = text[:at] + piece + text[at + length :]
    return bundle


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(EDITS, EVENTS)
def test_whatever_is_accepted_runs(edits, events):
    bundle = edited(edits)
    problems = check(bundle)
    for problem in problems:
        assert problem.line <= bundle.get(problem.file, "").count("\n") + 1
        assert problem.code
        assert problem.text
    if not problems:
        rulebook = compile_rulebook(bundle)
        outcome = decide(LeadState(), 1, events, rulebook, NOW)
        state = LeadState.load(outcome.state.dump())
        decide(state, 1, (), rulebook, NOW + timedelta(days=400))


@settings(max_examples=100, deadline=None)
@given(EVENTS)
def test_the_base_runs_on_any_events(events):
    rulebook = compile_rulebook(BASE)
    outcome = decide(LeadState(), 1, events, rulebook, NOW)
    decide(outcome.state, 1, events, rulebook, outcome.wake_at or NOW)

"""Where a lead stands, as mails and notes ask for it: in the words of expressions, and with their meaning."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.delivery.world import Scripted, World, crm_sender
from tests.workers.rulebook.base import BASE
from workers.delivery import people
from workers.delivery.compose import Composer, Links, Stood
from workers.delivery.routing import RoutedSender, Routes
from workers.delivery.senders import CrmSender, EmailSender
from workers.delivery.templates import Templates
from workers.engine.decide import decide
from workers.engine.expressions import Scope, compile_expression
from workers.engine.values import Event, LeadState
from workers.exceptions import ExpressionError, RenderError
from workers.rulebook import check, compile_rulebook
from workers.rulebook.sandbox import Fields, answers
from workers.store.outbox import Effect

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD = "---\nsubject: Hi{subject}\ncategory: transactional\n---\n"
WORDS = (
    '{% if segment("big") %}big{% else %}small{% endif %} {{ score("engagement") | round | int }}'
    ' {{ band("engagement") | default("cold") }} {{ stage() }}'
)
FILES = {
    "rules/segments.yaml": 'segments:\n  big: lead.employees >= 1000\n  keen: days_since("form.submitted") < 7\n',
    "rules/grade.yaml": "grade: worth\nof: engagement\nlabels: {hot: A1}\n",
    "templates/standing/mail.txt": HEAD.format(subject="") + WORDS,
    "templates/keen/mail.txt": HEAD.format(subject="{{ ' again' if segment('keen') else '' }}") + "x",
    "templates/parts/mail.txt": HEAD.format(subject="") + "{% include 'partials/deep.txt' %}",
    "templates/partials/deep.txt": "{% include 'partials/deepest.txt' %}",
    "templates/partials/deepest.txt": "{{ 'big' if segment('big') else 'small' }}",
    "templates/any/mail.txt": HEAD.format(subject="") + "{% include 'partials/' ~ 'deep.txt' %}",
    "templates/note/note.txt": WORDS + ' {{ grade("worth") | default("no grade") }}',
}
RULEBOOK = compile_rulebook({**BASE, **FILES})
LINKS = Links("https://go.acme.test", "s" * 32, lambda: NOW)
COMPOSER = Composer(RULEBOOK, LINKS)


@pytest.fixture
def world(engine: Engine) -> World:
    return World(engine)


def sender(provider: Scripted) -> EmailSender:
    return EmailSender("scripted", provider, lambda _version, _template: COMPOSER)


def put(world: World, number: int, state: LeadState, template: str) -> None:
    world.lead(number, email=f"lead{number}@acme.test")
    write(world, number, state)
    world.put(Effect(f"mail:{number}:a:1:b", "email", number, {"template": template}))


def write(world: World, number: int, state: LeadState | dict[str, Any]) -> None:
    dumped = state.dump() if isinstance(state, LeadState) else state
    with world.engine.begin() as conn:
        given = {"state": json.dumps(dumped), "id": number}
        conn.execute(text("UPDATE leads SET state = CAST(:state AS jsonb) WHERE id = :id"), given)


def hot(**fields: Any) -> LeadState:
    event = Event(1, "form.submitted", NOW, {"form": "demo"}, {"email": "ann@acme.test", **fields})
    return decide(LeadState(), 1, [event], RULEBOOK, NOW).state


# ── mails ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mail_says_where_its_lead_stands(world: World) -> None:
    put(world, 1, hot(employees=2000), "standing")
    put(world, 2, LeadState(stage="subscriber"), "standing")
    provider = Scripted()
    assert dict(world.deliverer.run(sender(provider)).states) == {"sent": 2}
    assert [mail.text for mail in provider.got] == ["big 45 warm lead", "small 0 cold subscriber"]


def test_it_is_where_the_lead_stands_when_the_mail_goes_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lead grows while the mail before it is being handed over."""
    monkeypatch.setattr(people, "FRESH", 0.0)
    put(world, 1, hot(), "parts")
    put(world, 2, hot(), "parts")
    provider = Scripted([lambda: write(world, 2, hot(employees=1000))])
    world.deliverer.run(sender(provider))
    assert [mail.text for mail in provider.got] == ["small", "big"]


def test_counts_of_days_past_are_those_of_the_day_of_sending(world: World) -> None:
    put(world, 1, hot(), "keen")
    provider = Scripted()
    late = Composer(RULEBOOK, replace(LINKS, clock=world.clock))
    world.step(days=8)
    world.deliverer.run(EmailSender("scripted", provider, lambda _version, _template: late))
    put(world, 2, hot(), "keen")
    world.deliverer.run(sender(provider))
    assert [mail.subject for mail in provider.got] == ["Hi", "Hi again"]


@pytest.mark.parametrize(
    ("template", "asks"),
    [("standing", True), ("keen", True), ("parts", True), ("any", True), ("welcome/hello", False), ("gone", False)],
)
def test_states_are_read_for_those_mails_alone_that_ask(template: str, asks: bool) -> None:
    assert COMPOSER.asks(template) is asks


def test_nobodys_state_is_read_for_other_mails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr(people.leads, "states", lambda _, ids: read.extend(ids) or {})
    put(world, 1, hot(), "welcome/hello")
    put(world, 2, hot(), "parts")
    world.deliverer.run(sender(Scripted()))
    assert read == [2]


def test_a_state_that_a_newer_program_wrote_is_left_to_it(world: World) -> None:
    put(world, 1, hot(), "standing")
    write(world, 1, {**hot().dump(), "format": 99})
    assert dict(world.deliverer.run(sender(Scripted())).states) == {"untried": 1}
    assert world.row().state == "pending"


def test_mails_on_their_routes_ask_the_same(world: World) -> None:
    put(world, 1, hot(employees=1000), "parts")
    provider = Scripted()
    world.deliverer.run(RoutedSender(Routes((), "scripted", {}), {"scripted": sender(provider)}, {}))
    assert [mail.text for mail in provider.got] == ["big"]


def test_without_a_state_the_fields_are_asked() -> None:
    words = COMPOSER.words("mail:1:a:1:b", 1, "parts", {"email": "ann@acme.test", "employees": 1000})
    assert words.text == "big"


# ── notes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_note_says_where_its_lead_stood() -> None:
    facts = {"scores": {"engagement": {"score": 71.2, "band": "hot"}}, "segments": ["big"], "stage": "lead"}
    assert COMPOSER.note("note", {**facts, "grades": {"worth": "A1"}}) == "big 71 hot lead A1"
    assert COMPOSER.note("note", facts) == "big 71 hot lead no grade"
    with pytest.raises(RenderError, match=r'stage\(\) has no value here; write {{ stage\(\) \| default\("…"\) }}'):
        COMPOSER.note("note", {})  # of a promotion before there were such facts


def test_the_engine_writes_down_where_it_stood(world: World) -> None:
    rules = compile_rulebook({**BASE, **FILES, "rules/promotion.yaml": BASE["rules/promotion.yaml"] + "  note: note\n"})
    events = [
        Event(n, "form.submitted", NOW, {"form": "demo"}, {"email": "a@b.test", "employees": 1000}) for n in (1, 2)
    ]
    decisions = decide(LeadState(), 1, events, rules, NOW).decisions
    (effect,) = [each.effect for each in decisions if each.kind == "promoted"]
    payload = {"crm": effect.crm, "opportunity": effect.opportunity}
    world.put(Effect(effect.key, "crm", 1, json.loads(json.dumps(payload)), "hubspot"))
    crm, composer = Scripted(), Composer(rules, LINKS)
    world.deliverer.run(CrmSender(lambda _name: crm, lambda _name: True, lambda _version: composer))
    assert crm.got[0].note == "big 85 hot lead A1"
    assert crm_sender(lambda _name: crm).asks(None) is False  # type: ignore[arg-type]


# ── the same as in rules ─────────────────────────────────────────────────────────────────────────────────────


class Facts(Stood):
    now = NOW


SCOPE = Scope(
    bands={"fit": ["good", "bad"], "engagement": ["hot"]},
    stages=["lead", "customer"],
    segments=["big", "keen"],
    grades={"worth": ["A1", "B1"]},
)
CHOICES = {
    'band("fit")': ['"good"', '"bad"'],
    'band("engagement")': ['"hot"'],
    'grade("worth")': ['"A1"', '"B1"'],
    "stage()": ['"lead"', '"customer"'],
}
questions = st.sampled_from([*CHOICES])


@st.composite
def asked(draw, shape: str) -> str:
    """A comparison of a question with what it may be answered by."""
    question = draw(questions)
    choice = st.sampled_from(CHOICES[question])
    return shape.format(question, draw(choice), draw(choice))


comparison = st.one_of(
    *map(asked, ["{} == {}", "{1} == {0}", "{} != {}", "{} < {}", "{1} >= {0}", "{} in [{}, {}]"]),
    *map(asked, ["{} not in [{}, {}]", "{} is defined", "{} is not defined", "({} | default({})) == {}"]),
    st.builds("{} {} {}".format, questions, st.sampled_from(["==", "!="]), questions),
    st.builds('score("{}") {} {}'.format, st.sampled_from(["fit", "engagement"]), st.sampled_from([">=", "<"]),
              st.integers(0, 100)),
    st.sampled_from(['segment("big")', 'segment("keen")']),
)  # fmt: skip
condition = st.recursive(
    comparison,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner), st.builds("not {}".format, inner)
    ),
    max_leaves=4,
)
leads = st.fixed_dictionaries({
    "scores": st.fixed_dictionaries({
        "fit": st.fixed_dictionaries({"score": st.integers(0, 100), "band": st.sampled_from([None, "good", "bad"])}),
        "engagement": st.fixed_dictionaries({"score": st.floats(0, 100), "band": st.sampled_from([None, "hot"])}),
    }),
    "grades": st.sampled_from([{}, {"worth": "A1"}, {"worth": "B1"}]),
    "segments": st.lists(st.sampled_from(["big", "keen"]), unique=True),
    "stage": st.sampled_from(["", "lead", "customer"]),
})  # fmt: skip


TOKENS = st.sampled_from([
    "not", "and", "or", "in", "not in", "is", "defined", "|", 'default("x")', "==", "!=", "<", "(", ")", "[", "]", ",",
    '"big"', '"fit"', '"hot"', 'segment("big")', 'segment("keen")', 'band("engagement")', 'grade("worth")', "stage()",
    'score("engagement")', "segment", "band", "score(", "stage", 'segment("bug")', 'band("engagement") == "hot"',
    'stage() in ["lead"]', "lead.employees", "x", "1", "~", "round", "int", "count(", "**", "-", "if", "else",
])  # fmt: skip
PIECES = st.sampled_from([
    "{{", "}}", "{%", "%}", "{% else %}", "{% endif %}", "{% endfor %}", "{#", "#}", "text", "{{ stage() }}",
    '{% if segment("big") %}', "{% for x in", '{{ band("engagement") | default("none") }}', "{% set x =",
    "{% include 'partials/deep.txt' %}",
])  # fmt: skip
tokens = st.lists(TOKENS, min_size=1, max_size=6).map(" ".join)
templates = st.lists(
    st.one_of(
        PIECES,
        tokens,
        tokens.map("{{{{ {} }}}}".format),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, tokens, tokens),
        st.builds("{{% if {} %}}{}{{% endif %}}".format, condition, tokens),
        st.builds("{{% set {} = {} %}}".format, st.sampled_from(["x", "band", "stage"]), tokens),
    ),
    max_size=4,
).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(templates, leads)
def test_any_template_is_refused_or_rendered_or_says_why_not(source: str, facts: dict[str, Any]) -> None:
    """Nothing crashes `check`, and nothing that it accepts does anything but render, or refuse to."""
    files = {**BASE, **FILES, "templates/any/mail.txt": HEAD.format(subject="") + source}
    findings = check(files)
    assert all(each.hint and each.line <= 5 + source.count("\n") for each in findings)
    if not findings:
        composer = Composer(compile_rulebook(files), LINKS)
        try:
            composer.words("mail:1:a:1:b", 1, "any", {"email": "a@b.test"}, stands=Stood(facts))
        except RenderError as error:
            assert str(error).startswith(("any/mail.txt, line ", "partials/"))  # noqa: PT017


@settings(max_examples=400, deadline=None)
@given(condition, leads)
def test_a_condition_means_in_a_template_what_it_means_in_a_rule(source: str, facts: dict[str, Any]) -> None:
    try:
        expression = compile_expression(source, SCOPE, "boolean")
    except ExpressionError as error:
        assert error.code in {"unknown-band", "unknown-grade", "unknown-stage", "ambiguous"}, source  # noqa: PT017
        return
    expected = expression.value({}, {}, Facts(facts))  # type: ignore[arg-type]
    file = HEAD.format(subject="") + "{% if " + source + " %}yes{% else %}no{% endif %}"
    rendered = Templates({"a/mail.txt": file}).render("a", {"lead": Fields("lead", {}), **answers(Stood(facts))})
    assert rendered.text == ("yes" if expected else "no"), source

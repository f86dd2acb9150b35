"""Who is nearly an opportunity, and what is missing: counted over all leads, and by name."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import NOW
from tests.workers.candidates import FIELDS, PROMOTION, QUIET
from tests.workers.candidates import candidates as company_with_candidates
from tests.workers.company import DAY, FILES
from workers.reports.candidates import Group, lacking_just, nearest, overview, short
from workers.reports.whynot import MISSING, Inquiry
from workers.rulebook import compile_rulebook
from workers.simulate.clock import run
from workers.simulate.heard import Heard
from workers.store import candidates, rulebooks

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tests.workers.company import Company
    from workers.engine.rules import Rulebook


@pytest.fixture
def company(engine: Engine) -> Company:
    return company_with_candidates(engine)


def in_force(conn: Connection) -> Rulebook:
    return compile_rulebook(rulebooks.files(conn, rulebooks.active(conn).version))


def seen(company: Company, *names: str) -> list[tuple[str, int, tuple[str, ...]]]:
    """Candidates by name, with how many of the things that they lack would be enough."""
    with company.engine.begin() as conn:
        rulebook = in_force(conn)
        assert rulebook.promotion
        found = overview(conn, rulebook, rulebook.promotion).groups
        people = nearest(conn, rulebook, lacking_just(names, found) if names else found, company.now)
        return [(each.lead.partition("@")[0], each.short, each.missing) for each in people]


def test_candidates_are_those_at_the_stage_who_lack_something_the_nearest_first(company: Company) -> None:
    assert seen(company) == [
        ("one", 1, ("budget", "need")),
        ("four", 1, ("when",)),
        ("two", 2, ("when", "budget", "need")),
        ("three", 3, ("when", "size", "budget", "need")),
    ]


def test_who_lacks_just_something_would_be_an_opportunity_with_it(company: Company) -> None:
    assert seen(company, "budget") == seen(company, "need") == [("one", 1, ("budget", "need"))]
    assert [name for name, *_ in seen(company, "when")] == ["four"]
    assert [name for name, *_ in seen(company, "when", "budget")] == ["two"]
    assert seen(company, "size") == seen(company, "email") == []


def test_everything_is_counted_once_over_all_and_once_by_what_alone_is_missing(company: Company) -> None:
    with company.engine.begin() as conn:
        rulebook = in_force(conn)
        assert rulebook.promotion
        found = overview(conn, rulebook, rulebook.promotion)
    counted = {each.name: (each.leads, each.alone) for each in found.lacks}
    assert counted == {"when": (3, 1), "size": (1, 0), "budget": (3, 1), "need": (3, 1), "email": (0, 0)}
    assert (found.leads, found.outdated, found.stage, found.at_least) == (4, 0, "lead", 2)


def test_who_gets_it_or_leaves_the_stage_is_a_candidate_no_longer(company: Company) -> None:
    company.tell("page.viewed", "one", lead={"budget": 5})
    company.tell("crm.lost", "four")
    company.work()
    assert company.state("one").promotions == 1
    assert company.state("four").stage == "lead"
    assert [name for name, *_ in seen(company)] == ["four", "two", "three"]
    company.apply(QUIET, fields=FIELDS, promotion=PROMOTION.replace("at: lead", "at: hot"), lifecycle=(
        "stages: {subscriber: {}, lead: {when: 'score(\"engagement\") >= 10'}, hot: {when: 'lead.seats > 90'},"
        " opportunity: {}}\n"
    ))  # fmt: skip
    settled(company)
    assert seen(company) == []
    assert company.scalar("SELECT count(*) FROM leads WHERE state ? 'missing'") == 0


def settled(company: Company) -> None:
    """The clock and the workers have looked at every lead by the rules in force."""
    from workers.store import leads

    with company.engine.begin() as conn:
        assert leads.wake_outdated(conn, company.library.rulebooks.active(conn).rulebook.stamp, company.now, 100) > 0
    company.work()


def test_time_makes_a_candidate_lack_more(company: Company) -> None:
    company.later(30 * DAY)
    assert [(name, lacked) for name, lacked, _ in seen(company)][:1] == [("four", 1)]
    assert {name: missing for name, _, missing in seen(company)}["one"] == ("when", "budget", "need")


LAW = FILES | {
    "rules/fields.yaml": FIELDS,
    "rules/lifecycle.yaml": """\
stages:
  subscriber: {}
  recycled: {back_from: [lead, opportunity], when: 'days_since("crm.lost") < 20', reason: lost}
  lead: {when: 'score("engagement") >= 10'}
  opportunity: {}
  customer: {}
""",
    "rules/promotion.yaml": """\
promote:
  at: lead
  when: score("engagement") >= 30
  again: days_since("crm.lost") > 10
  evidence:
    at_least: 2
    of:
      size: lead.employees > 10
      lately: days_since("page.viewed") < 4
      often: count("page.viewed", within="7d") >= 2
      budget: lead.budget > 0
  opportunity: {crm: hubspot, stage: new, name: '"deal"'}
  owner: ana@acme.example
""",
}
HAPPENED = st.lists(
    st.tuples(
        st.integers(0, 60 * 24),
        st.sampled_from(["trial.started", "trial.started", "page.viewed", "page.viewed", "crm.lost", "crm.won"]),
        st.sampled_from([{}, {"employees": 5}, {"employees": 50}, {"budget": 0}, {"budget": 9}]),
    ),
    min_size=1,
    max_size=12,
)


@cache
def law() -> Rulebook:
    return compile_rulebook(LAW)


@settings(deadline=None)
@given(happened=HAPPENED, days=st.integers(0, 90), known=st.booleans())
def test_what_is_kept_of_a_lead_is_what_is_missing_at_every_instant(happened, days: int, known: bool) -> None:
    """Whatever happened and however long ago: by events, by time alone, on the way back, and once more after a loss."""
    rulebook, who = law(), ("email:ann@acme.test",) if known else ("user:1",)
    told = [
        Heard(NOW + timedelta(hours=hour), NOW + timedelta(hours=hour), kind, who, None, {}, lead)
        for hour, kind, lead in happened
    ]
    until = NOW + timedelta(days=days)
    for person in run(told, rulebook, until).people:
        asked = Inquiry(person.state, person.events, rulebook, until).promotion()
        assert person.state.missing == (list(asked.missing) if asked.state == MISSING else None)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("at_least: 2", "at_least: 3", [("one", 2), ("four", 2), ("two", 3), ("three", 4)]),
        (">= 30", ">= 15", [("two", 1), ("one", 1), ("three", 2)]),
        ("lead.seats > 5", "lead.seats > 50", [("one", 1), ("two", 2), ("four", 2), ("three", 3)]),
    ],
)
def test_when_the_promotion_asks_for_something_else_everybody_is_looked_at_anew(
    company: Company, old: str, new: str, expected: list[tuple[str, int]]
) -> None:
    company.apply(QUIET, fields=FIELDS, promotion=PROMOTION.replace(old, new))
    settled(company)
    assert sorted((each[:2] for each in seen(company)), key=str) == sorted(expected, key=str)


def test_what_is_handed_over_makes_nobody_look_again(company: Company) -> None:
    with company.engine.begin() as conn:
        before = in_force(conn).stamp
    company.apply(QUIET, fields=FIELDS, promotion=PROMOTION.replace('"deal"', '"other"'))
    with company.engine.begin() as conn:
        assert in_force(conn).stamp == before


@pytest.mark.parametrize(
    ("missing", "wanting"),
    [((), 0), (("when",), 1), (("email", "when"), 2), (("budget", "need"), 1), (("size", "budget", "need"), 2),
     (("when", "gone"), 2), (("a", "b", "c", "d", "e"), 2)],
)  # fmt: skip
def test_how_much_would_be_enough(company: Company, missing: tuple[str, ...], wanting: int) -> None:
    with company.engine.begin() as conn:
        rule = in_force(conn).promotion
    assert rule
    assert short(rule, missing) == wanting


def test_names_of_evidence_are_never_mixed_up_with_other_things() -> None:
    groups = [Group(("a", "b"), 1, 1), Group(("a",), 1, 1), Group(("when", "a"), 2, 1), Group(("email", "when"), 2, 1)]
    assert [g.missing for g in lacking_just(["a"], groups)] == [("a", "b"), ("a",)]
    assert [g.missing for g in lacking_just(["when", "email"], groups)] == [("email", "when")]


def test_they_are_found_by_an_index_that_holds_nobody_else(engine: Engine) -> None:
    with engine.begin() as conn:
        conn.execute(
            text("""
            INSERT INTO leads (id, slice, email, state, missing, created_at, updated_at)
            SELECT n, n % 32, n || '@acme.test', jsonb_build_object('last', n, 'format', 3),
                   CASE WHEN n % 500 = 0 THEN ARRAY['when', 'a,b "c"'] WHEN n % 1000 = 7 THEN ARRAY['a,b "c"'] END,
                   now(), now()
            FROM generate_series(1, 20000) AS n
        """)
        )
        conn.execute(text("ANALYZE leads"))
        assert candidates.counts(conn) == {('a,b "c"',): 20, ("when", 'a,b "c"'): 40}
        listed = list(candidates.those(conn, {("when", 'a,b "c"'): 2, ('a,b "c"',): 1}, 22))
        assert [each.id for each in listed] == [*range(19007, 0, -1000), 20000, 19500]
        plans = [
            "\n".join(conn.scalars(text(f"EXPLAIN {query.text}"), {"wanted": '[[1, ["when"]]]', "limit": 20}))
            for query in (candidates._COUNTS, candidates._LIST)
        ]
    for plan in plans:
        assert "leads_candidates" in plan
        assert "Seq Scan on leads" not in plan

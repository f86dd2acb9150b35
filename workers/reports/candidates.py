"""Who is nearly an opportunity, and what is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from workers.engine.standing import Standing
from workers.engine.values import LeadState, instant
from workers.store import candidates, leads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from workers.engine.rules import PromotionRule, Rulebook
    from workers.store.candidates import Candidate, Missing

WHEN: Final = "when"
EMAIL: Final = "email"
NO_EVIDENCE: Final = frozenset({WHEN, EMAIL})


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that candidates lack.

    Attributes:
        name: `when`, the name of a piece of evidence, or `email`.
        condition: as it stands in the rule file; empty for `email`.
        leads: how many lack it.
        alone: how many of them it alone keeps from being opportunities.
    """

    name: str
    condition: str
    leads: int
    alone: int


@dataclass(frozen=True, slots=True)
class Group:
    """Candidates that lack the same.

    Attributes:
        missing: all that they do not have.
        short: how many things of it would be enough: where two of four pieces of evidence are wanted, and one is
            there, any one of the other three.
    """

    missing: Missing
    short: int
    leads: int


@dataclass(frozen=True, slots=True)
class Near:
    """A candidate.

    Attributes:
        lead: its address, or another identity.
        missing, short: see `Group`.
        scores: by model, now; those that the promotion's conditions ask for.
        last: when its latest event happened.
    """

    id: int
    lead: str
    stage: str
    missing: Missing
    short: int
    scores: Mapping[str, float]
    last: datetime


@dataclass(frozen=True, slots=True)
class Overview:
    """All candidates, counted.

    Attributes:
        stage: from which on leads are looked at.
        at_least: how many pieces of evidence are wanted.
        leads: candidates.
        outdated: leads that were last looked at by other rules, and are still to be looked at by these.
        lacks: in the order of the rule file.
        groups: those that lack least first, the largest of them first.
    """

    stage: str
    at_least: int
    leads: int
    outdated: int
    lacks: tuple[Lack, ...]
    groups: tuple[Group, ...]

    def as_data(self) -> dict[str, Any]:
        """As JSON-ready data."""
        return asdict(self)


def overview(conn: Connection, rulebook: Rulebook, rule: PromotionRule) -> Overview:
    """Count them: by an index that holds the candidates alone."""
    found = groups(conn, rule)
    lacks = [lack(name, source, found) for name, source in criteria(rule).items()]
    outdated = leads.outdated(conn, rulebook.stamp)
    return Overview(rule.at, rule.at_least, sum(g.leads for g in found), outdated, tuple(lacks), tuple(found))


def criteria(rule: PromotionRule) -> dict[str, str]:
    """What a lead may lack, with the conditions as they stand in the rule file."""
    return {WHEN: rule.when.source, **{name: test.source for name, test in rule.evidence.items()}, EMAIL: ""}


def groups(conn: Connection, rule: PromotionRule) -> list[Group]:
    """The candidates by what they lack, those that lack least first."""
    made = [Group(missing, short(rule, missing), number) for missing, number in candidates.counts(conn).items()]
    return sorted(made, key=lambda each: (each.short, -each.leads, each.missing))


def short(rule: PromotionRule, missing: Collection[str]) -> int:
    """How many of the missing things would be enough for a promotion."""
    others = NO_EVIDENCE.intersection(missing)
    unknown = len(missing) - len(others)
    held = max(len(rule.evidence) - unknown, 0)
    return len(others) + (max(rule.at_least - held, 1) if unknown else 0)


def lack(name: str, condition: str, found: Collection[Group]) -> Lack:
    """How many lack one thing."""
    those = [each for each in found if name in each.missing]
    alone = sum(each.leads for each in those if each.short == 1)
    return Lack(name, condition, sum(each.leads for each in those), alone)


def lacking_just(names: Collection[str], found: Collection[Group]) -> list[Group]:
    """The groups that lack just this: with it they would be opportunities, and with less of it they would not."""
    wanted = set(names)
    fitting = (each for each in found if each.short == len(wanted) and wanted.issubset(each.missing))
    return [each for each in fitting if wanted.issuperset(NO_EVIDENCE.intersection(each.missing))]


def nearest(
    conn: Connection, rulebook: Rulebook, found: Iterable[Group], now: datetime, limit: int | None = None
) -> Iterator[Near]:
    """The candidates of these groups: those that lack least first, of equal ones those with the latest event."""
    ranks = {each.missing: each.short for each in found}
    models = scores_asked(rulebook)
    for each in candidates.those(conn, ranks, limit):
        yield near(each, ranks[each.missing], models, rulebook, now)


def near(found: Candidate, wanting: int, models: Collection[str], rulebook: Rulebook, now: datetime) -> Near:
    """A candidate with its scores as they are now."""
    state = LeadState.load(found.state)
    standing = Standing(state, rulebook, now)
    scores = {model: standing.score(model) for model in models}
    return Near(found.id, found.name, state.stage, found.missing, wanting, scores, instant(state.last))


def scores_asked(rulebook: Rulebook) -> list[str]:
    """The score models that the promotion's conditions look at, directly or by a band or grade."""
    rule = rulebook.promotion
    if rule is None:
        return []
    asked = {(ask.what, ask.name) for each in (rule.when, *rule.evidence.values()) for ask in each.asks}
    graded = {model for what, name in asked if what == "grade" for model in rulebook.grades[name].models}
    return [name for name in rulebook.models if name in graded or {("score", name), ("band", name)} & asked]

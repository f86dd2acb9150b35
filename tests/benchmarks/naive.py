"""The usual design, for comparison: one dramatiq message on Redis and one ORM session per event.

It is given advantages that it would not have: the people are there already, nothing is logged but the event, nothing is
decided but the score, there are no campaigns, and the conditions are the compiled ones of our own engine.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from sqlalchemy import JSON, DateTime, ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tests.benchmarks.rules import bundle
from workers.rulebook import compile_rulebook

if TYPE_CHECKING:
    from workers.engine.rules import Rulebook

DATABASE = "BENCHMARK_DATABASE_URL"
REDIS = "BENCHMARK_REDIS_URL"
QUEUE = "naive"


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "naive_people"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    score: Mapped[float] = mapped_column(default=0.0)
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)


class Happened(Base):
    __tablename__ = "naive_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("naive_people.id"), index=True)
    type: Mapped[str]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    properties: Mapped[dict[str, Any]] = mapped_column(JSON)


class Facts:
    """What the conditions may ask and never do here."""

    now = datetime(2026, 1, 1, tzinfo=UTC)
    stage = ""

    def score(self, _: str) -> float:
        return 0.0

    def band(self, _: str) -> None:
        return None


def handle(event_id: str, type_: str, email: str, properties: dict[str, Any], fields: dict[str, Any]) -> None:
    """Score one event."""
    with Session(engine()) as session:
        if session.scalar(select(Happened.id).where(Happened.event_id == event_id)):
            return
        person = session.scalars(select(Person).where(Person.email == email).with_for_update()).one()
        person.fields = person.fields | fields
        person.score += points(type_, properties, person.fields)
        session.add(
            Happened(event_id=event_id, person_id=person.id, type=type_, at=datetime.now(UTC), properties=properties)
        )
        session.commit()


def points(type_: str, properties: dict[str, Any], fields: dict[str, Any]) -> float:
    """Ask every rule."""
    total, facts = 0.0, Facts()
    for rules in rulebook().by_event.values():
        for rule in rules:
            if rule.event == type_ and (rule.when is None or rule.when.value(properties, fields, facts)):
                total += cast("float", rule.points)
    for model in rulebook().models.values():
        for each in (rule for group in model.groups for rule in group.profile_rules):
            if each.when.value(properties, fields, facts):
                total += cast("float", each.points)
    return total


@cache
def engine() -> Any:
    url = os.environ[DATABASE].replace("postgresql://", "postgresql+psycopg://")
    return create_engine(url, pool_size=16)


@cache
def rulebook() -> Rulebook:
    return compile_rulebook(bundle())


if REDIS in os.environ:  # a dramatiq worker, or whoever feeds it, and not just an import
    dramatiq.set_broker(RedisBroker(url=os.environ[REDIS]))
    score = dramatiq.actor(queue_name=QUEUE)(handle)

"""`python -m tests.benchmarks.rules_engines [--json FILE]`: events a second through the rules alone, on one core.

100 scoring rules on 10 event types and 20 segments, written as people write them and compiled as they always are.
Measured are the whole engine (scores, bands, segments, stages, decisions) in batches for each lead as the pipeline
makes them, the same for one event at a time, and the conditions of the 100 rules alone, beside three rule engines of
the registry that evaluate the same conditions on the same events, each only those of the event's type.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.limits import Size, at_least, command, machine, tell
from workers.engine.decide import decide
from workers.engine.values import Event, LeadState
from workers.rulebook import compile_rulebook
from workers.store.slices import SLICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from workers.engine.rules import Rulebook

LIMIT: Final = 100_000
"""Events a second through the whole engine."""
TYPES: Final = 10
RULES: Final = 100
SEGMENTS: Final = 20
PEOPLE: Final = 5_000
BATCH: Final = 1_000
"""Events that the pipeline takes at a time, of the leads of one slice."""
ROUNDS: Final = 3
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRANGER: Final = LeadState()
"""A lead of whom nothing is known; the engine leaves the states that it is given as they are."""


class Condition(NamedTuple):
    """The same condition in four languages."""

    ours: str
    rule_engine: str
    zen: str
    cel: str


def condition(n: int) -> Condition:
    """The condition of rule `n`: equality, containment, a number, a list, or two joined, like those people write."""
    form, page, few = f'"form-{n}"', f'"/page-{n}"', f'["plan-{n}", "plan-{n + 1}"]'
    both = f"{{0}}form != {form} {{1}} {{0}}minutes >= {45 + n % 50}"
    return (
        Condition(f"event.form == {form}", f"form == {form}", f"form == {form}", f"form == {form}"),
        Condition(f"{page} in event.url", f"{page} in url", f"contains(url, {page})", f"url.contains({page})"),
        Condition(*(f"{owner}minutes >= {45 + n % 50}" for owner in ("event.", "", "", ""))),
        Condition(*(f"{owner}plan in {few}" for owner in ("event.", "", "", ""))),
        Condition(*(both.format(*each) for each in (("event.", "and"), ("", "and"), ("", "and"), ("", "&&")))),
    )[n % 5]


CONDITIONS: Final = [condition(n) for n in range(RULES)]


def type_of(rule: int) -> str:
    """The event type of a rule. Neighbours have different kinds of conditions and different types."""
    return f"custom.type_{rule // 5 % TYPES}"


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────


def bundle() -> dict[str, str]:
    """Rule files by path."""
    events = "".join(
        f"  custom.type_{n}: {{form: text, url: text, minutes: integer, plan: text}}\n" for n in range(TYPES)
    )
    rules = "".join(
        f"  r{n}: {{event: {type_of(n)}, when: '{each.ours}', points: {1 + n % 5}}}\n"
        for n, each in enumerate(CONDITIONS)
    )
    return {
        "rules/account.yaml": 'account: {company: A, zone: UTC, currency: EUR, sender: "A <a@a.test>", address: B}\n',
        "rules/fields.yaml": "fields: {employees: integer, country: country, title: text}\n",
        "rules/events.yaml": f"events:\n{events}",
        "rules/segments.yaml": "segments:\n" + "".join(f"  s{n}: '{segment(n)}'\n" for n in range(SEGMENTS)),
        "rules/lifecycle.yaml": "stages:\n  subscriber: {}\n  lead: {when: 'score(\"engagement\") >= 10'}\n"
        '  qualified: {when: \'band("engagement") == "hot" and segment("s1")\'}\n',
        "rules/scoring/engagement.yaml": "score: engagement\nhalf_life: 30 days\nrange: [0, 100]\n"
        f"bands: {{warm: {{enter: 30, leave: 20}}, hot: {{enter: 70, leave: 55}}}}\nrules:\n{rules}",
    }


def segment(n: int) -> str:
    """The condition of a segment."""
    return (
        f"lead.employees >= {n * 50}",
        f'lead.country in ["DE", "US"] and lead.employees < {n * 100}',
        f'lead.title | lower | matches("vp|head|chief{n}")',
        f'score("engagement") >= {n * 4}',
    )[n % 4]


def happenings(number: int) -> list[tuple[int, Event]]:
    """Events with the lead that each belongs to; a tenth of them tell something about the person."""
    dice = random.Random(1)
    made = []
    for n in range(number):
        properties = {
            "form": f"form-{dice.randrange(RULES)}",
            "url": f"https://acme.test/page-{dice.randrange(RULES)}/",
            "minutes": dice.randrange(100),
            "plan": f"plan-{dice.randrange(RULES)}",
        }
        told = {"employees": dice.randrange(2000), "country": "DE", "title": "VP Sales"} if dice.random() < 0.1 else {}
        at = NOW - timedelta(seconds=dice.randrange(30 * 86_400))
        made.append((dice.randrange(PEOPLE), Event(n, f"custom.type_{dice.randrange(TYPES)}", at, properties, told)))
    return made


def batches(events: Iterable[tuple[int, Event]]) -> list[tuple[int, list[Event]]]:
    """The events of each lead in each batch of a slice, under a load that keeps the batches full."""
    slices: dict[int, list[tuple[int, Event]]] = defaultdict(list)
    for lead, event in events:
        slices[lead % SLICES].append((lead, event))
    found = []
    for waiting in slices.values():
        for start in range(0, len(waiting), BATCH):
            leads: dict[int, list[Event]] = defaultdict(list)
            for lead, event in waiting[start : start + BATCH]:
                leads[lead].append(event)
            found += leads.items()
    return found


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────────────


def speed(work: Callable[[], object], events: int, rounds: int = ROUNDS) -> float:
    """Events a second of processor time, the best of a few rounds."""
    gc.collect()
    gc.disable()
    try:
        times = []
        for _ in range(rounds):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
    finally:
        gc.enable()
    return events / min(times)


def engine(rulebook: Rulebook, given: Sequence[tuple[int, Sequence[Event]]]) -> Callable[[], int]:
    """All of them through the engine; returns how many decisions were made."""

    def work() -> int:
        states: dict[int, LeadState] = {}
        decisions = 0
        for lead, events in given:
            outcome = decide(states.get(lead, STRANGER), lead, events, rulebook, NOW)
            states[lead] = outcome.state
            decisions += len(outcome.decisions)
        return decisions

    return work


def conditions_of(rulebook: Rulebook, events: Sequence[Event]) -> Callable[[], int]:
    """Only the conditions of the rules, compiled by us."""
    tests = {kind: [rule.when.value for rule in rules if rule.when] for kind, rules in rulebook.by_event.items()}
    lead: dict[str, Any] = {}

    def work() -> int:
        return sum(
            1
            for event in events
            for test in tests.get(event.type, ())
            if test(event.properties, lead, None) is True  # type: ignore[arg-type]
        )

    return work


def others(events: Sequence[Event]) -> dict[str, Callable[[], int]]:
    """The same conditions, evaluated by rule engines of the registry."""
    import cel
    import rule_engine
    import zen

    context = rule_engine.Context(resolver=rule_engine.resolve_item)
    makers: dict[str, Callable[[Condition], Callable[[dict[str, Any]], bool]]] = {
        "zen-engine": lambda each: zen.compile_expression(each.zen).evaluate,
        "rule-engine": lambda each: rule_engine.Rule(each.rule_engine, context=context).matches,
        "common-expression-language": lambda each: cel.compile(each.cel).execute,
    }
    return {name: matching(make, events) for name, make in makers.items()}


def matching(
    make: Callable[[Condition], Callable[[dict[str, Any]], bool]], events: Sequence[Event]
) -> Callable[[], int]:
    """How many rules hold, evaluated by one engine."""
    tests = defaultdict(list)
    for number, each in enumerate(CONDITIONS):
        tests[type_of(number)].append(make(each))
    given = [(event.type, dict(event.properties)) for event in events]
    return lambda: sum(1 for kind, properties in given for test in tests[kind] if test(properties))


class Disagreement(Exception):
    """Two engines do not find the same rules true; then their speeds say nothing."""


def run(scale: float = 1.0) -> dict[str, Any]:
    """All measurements."""
    rulebook = compile_rulebook(bundle())
    many, few = max(2_000, int(120_000 * scale)), max(200, int(2_000 * scale))
    made = happenings(many)
    events = [event for _, event in made]
    grouped = batches(made)
    found = {
        "engine_batches": speed(engine(rulebook, grouped), many),
        "engine_single": speed(engine(rulebook, [(lead, (event,)) for lead, event in made]), many),
        "conditions": speed(conditions_of(rulebook, events), many),
    }
    holding = conditions_of(rulebook, events)() / many
    right = conditions_of(rulebook, events[:few])()
    for name, work in others(events[:few]).items():
        if (counted := work()) != right:
            raise Disagreement(f"{name} finds {counted} rules true, we find {right}")
        found[name] = speed(work, few, rounds=2)
    return {
        "machine": machine(),
        "events_per_lead": many / len(grouped),
        "rules_per_event": holding,
        "events_per_second": found,
        "limits": [at_least("events a second through the engine", found["engine_batches"], LIMIT)],
    }


TITLES: Final = {
    "engine_batches": "the whole engine, batches as the pipeline makes them",
    "engine_single": "the whole engine, one event at a time",
    "conditions": "conditions of the 100 rules alone",
    "zen-engine": "the same conditions: zen-engine",
    "rule-engine": "the same conditions: rule-engine",
    "common-expression-language": "the same conditions: common-expression-language",
}


def report(results: dict[str, Any]) -> None:
    """The same for people."""
    console = Console()
    speeds = results["events_per_second"]
    table = Table(f"{RULES} rules, {SEGMENTS} segments, {TYPES} event types, one core", "events/s", "ours is", box=None)
    for name, title in TITLES.items():
        against = speeds["conditions"] / speeds[name] if name not in {"engine_batches", "engine_single"} else 0
        table.add_row(
            title, f"{speeds[name]:,.0f}", f"{against:,.0f} times" if against and name != "conditions" else ""
        )
    console.print(table)
    lead, rules = results["events_per_lead"], results["rules_per_event"]
    console.print(f"{lead:.1f} events a lead and batch; {rules:.1f} rules hold for an event")
    tell(console, results["limits"])


def main() -> int:
    """Run all of it."""
    size = Size("--scale", 1.0, "times the usual number of events")
    return command("tests.benchmarks.rules_engines", __doc__, size, run, report)


if __name__ == "__main__":
    sys.exit(main())

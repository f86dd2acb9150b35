"""What every event of a type, and every lead, is asked and earns: put together once per rulebook, not once for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from workers.engine.event_types import ENGAGEMENT, HEARD, NO_SIGN, SALES, SUPPRESSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from workers.engine.counters import Counted
    from workers.engine.decay import Decay
    from workers.engine.rules.conditions import Expression, Facts, Test
    from workers.engine.rules.rulebook import Rulebook
    from workers.engine.rules.scores import EventRule, ProfileRule

MORE_THAN_POINTS: Final = SALES | SUPPRESSING | HEARD
OF_EVENTS: Final = frozenset({"count", "distinct", "first", "last", "days_since"})
NO_EVENT: Final[Mapping[str, Any]] = {}
MOST_KEPT: Final = 1_000
"""So many combinations of rules that hold are remembered for one type of event; any further one is worked out anew."""


class Earned(NamedTuple):
    """What an event earns by the rules that hold for it.

    Attributes:
        rules: those rules, in the order of the files.
        sums: (part, its decay, units) to add; None if what the rules give depends on the event or on others before it.
        points: the same for people, all together.
        detail: of the decision that records it.
    """

    rules: tuple[EventRule, ...]
    sums: tuple[tuple[str, Decay, int], ...] | None
    points: float
    detail: Mapping[str, Any]

    @classmethod
    def by(cls, kind: str, rules: tuple[EventRule, ...]) -> Earned:
        """What these rules give for an event of a type."""
        together: dict[str, int] = {}
        for rule in rules:
            if rule.units is None:
                return cls(rules, None, 0.0, {})
            together[rule.part] = together.get(rule.part, 0) + rule.units
        decays = {rule.part: rule.decay for rule in rules}
        entries = [(rule.id, rule.model, rule.points) for rule in rules]
        sums = tuple((part, decays[part], units) for part, units in together.items())
        points = entries[0][2] if len(entries) == 1 else sum([each[2] for each in entries])  # type: ignore[misc]
        return cls(rules, sums, points, {"type": kind, "entries": entries})  # type: ignore[arg-type]


class Earnings(dict[tuple[bool, ...], Earned]):
    """By which rules hold for an event of a type, what it earns; see `Intake.truths`."""

    def __init__(self, kind: str, rules: Sequence[EventRule]) -> None:
        super().__init__()
        self._kind, self._rules = kind, rules

    def __missing__(self, held: tuple[bool, ...]) -> Earned:
        """Work it out."""
        earned = Earned.by(self._kind, tuple(rule for rule, holds in zip(self._rules, held, strict=False) if holds))
        if len(self) < MOST_KEPT:
            self[held] = earned
        return earned


class Intake(NamedTuple):
    """What every event of a type is asked.

    Attributes:
        truths: a function of such an event: whether each rule for the type holds, and behind these whether something
            about the event is not as it is declared.
        earned: what it earns by them.
        counted: what has to be counted of it; None for nothing.
        engages: machines do it, too; `human`: it is a sign of the person themselves, unless a machine did it.
        says: it tells something else: of consent, of mail that may not go any more, of what sales does.
    """

    truths: Test
    earned: Earnings
    counted: Counted | None
    engages: bool
    human: bool
    says: bool


class Intakes(dict[str, Intake]):
    """What events are asked, by type, put together when the first one comes: `check` needs none of it."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        self._rulebook = rulebook

    def __missing__(self, kind: str) -> Intake:
        """Put it together; of types that nobody declares nothing is kept, as anybody may make them up."""
        rulebook = self._rulebook
        rules, declared = rulebook.by_event.get(kind, ()), rulebook.events.get(kind)
        intake = Intake(
            rulebook.join([rule.when for rule in rules], declared),
            Earnings(kind, rules),
            rulebook.counted.get(kind),
            kind in ENGAGEMENT,
            kind not in NO_SIGN,
            kind in MORE_THAN_POINTS or kind in rulebook.signs,
        )
        if rules or declared is not None:
            self[kind] = intake
        return intake


Profile = tuple[tuple["ProfileRule", ...], "Test"]
"""The profile rules of a score, and whether each of them holds."""


class Profiles(dict[str, Profile]):
    """What every lead is asked by a model, put together when the first one is."""

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        self._rulebook = rulebook

    def __missing__(self, model: str) -> Profile:
        rules = self._rulebook.models[model].profile_rules
        profile = self[model] = rules, self._rulebook.join([rule.when for rule in rules], None)
        return profile


class Answers(dict[str, "Callable[[Mapping[str, Any], Facts], list[Any]]"]):
    """By event type, a function of a lead's fields and facts: all answers that counting such an event may change.

    While they stay the same, so does everything that is made of them: where the lead stands, whether it is promoted.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        super().__init__()
        self._rulebook = rulebook

    def __missing__(self, kind: str) -> Callable[[Mapping[str, Any], Facts], list[Any]]:
        tests = [each.value for each in about_leads(self._rulebook) if counts(each, kind)]

        def answers(fields: Mapping[str, Any], facts: Facts) -> list[Any]:
            return [test(NO_EVENT, fields, facts) for test in tests]

        self[kind] = answers
        return answers


def about_leads(rulebook: Rulebook) -> Iterator[Expression]:
    """Every expression that where a lead stands, and whether it is promoted, is made of."""
    yield from [segment.when for segment in rulebook.segments.values()]
    yield from [stage.when for stage in rulebook.stages if stage.when is not None]
    for model in rulebook.models.values():
        yield from [rule.when for rule in model.profile_rules]
        yield from [rule.points for rule in model.profile_rules if not isinstance(rule.points, int | float)]
        yield from [model.formula] if model.formula is not None else []
    if (rule := rulebook.promotion) is not None:
        yield from [rule.when, *rule.evidence.values(), *([rule.again] if rule.again is not None else [])]


def counts(expression: Expression, kind: str) -> bool:
    """True if an expression looks at how many events of a type there were, or when; one made by hand may do so."""
    return expression.code is None or any(ask.what in OF_EVENTS and ask.name == kind for ask in expression.asks)

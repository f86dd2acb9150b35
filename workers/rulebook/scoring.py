"""Score files into score models."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast
from zoneinfo import ZoneInfo

from workers.engine.decay import KEEP, Expiry, HalfLife
from workers.engine.decay import Steps as StepDecay
from workers.engine.expressions import compile_expression
from workers.engine.rules import Band, EventRule, Expression, Group, Limit, Part, ProfileRule, ScoreModel
from workers.engine.values import ADJUSTED
from workers.rulebook.declarations import Steps
from workers.rulebook.declarations.scoring import MOST_POINTS
from workers.rulebook.names import IN_EVENT, IN_FORMULA, IN_PROFILE
from workers.rulebook.notations import WINDOW, WINDOWS, Limited
from workers.rulebook.reach import reach
from workers.rulebook.shape import Source
from workers.text import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.engine.decay import Decay
    from workers.engine.expressions import Scope
    from workers.rulebook.declarations import Rule, ScoreFile
    from workers.rulebook.names import Checker
    from workers.rulebook.nodes import Scalar
    from workers.rulebook.reach import Reach
    from workers.rulebook.shape import Text

MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1)
MOST_COUNTED: Final = 100
SHORTEST_WINDOW: Final = timedelta(minutes=1)
DECAYS: Final = ("half_life", "decay", "expire")
OF_EVENTS: Final = {
    "limit": "counts events", "every": "counts events", "from": "is about when an event happened",
    "until": "is about when an event happened", "range": "keeps a sum of events in bounds",
    "half_life": "ages events", "decay": "ages events", "expire": "ages events",
}  # fmt: skip
OF_SUMS: Final = ("rules", "groups", *DECAYS)


class ScoreCompiler:
    """Compiles one score file.

    Args:
        file: what it says.
        check: takes what is wrong.

    Attributes:
        event_rules, profile_rules: what was compiled, in the order of the file.
    """

    def __init__(self, file: ScoreFile, check: Checker) -> None:
        self._file = file
        self._check = check
        self._name = str(file.score)
        self._decay = decay_of(file, check) or KEEP
        self._parts: dict[str, dict[str, Part]] = {}
        self._profile: dict[str, list[ProfileRule]] = {}
        self._broken = False
        self.event_rules: list[EventRule] = []

    def model(self) -> ScoreModel:
        """The model that the file declares."""
        file = self._file
        check_range(file, self._check)
        formula = self._formula()
        for name, rule in file.rules.items():
            self._rule(name, rule)
        self._check_decay()
        if file.formula is None:
            self.event_rules.append(self._adjusting())
        model = ScoreModel(
            name=self._name,
            minimum=file.range[0],
            maximum=file.range[1],
            bands=tuple(sorted(self._bands(), key=lambda band: band.enter)),
            groups=tuple(self._groups()),
            formula=formula,
        )
        self._check_reach(model)
        return model

    @property
    def incomplete(self) -> bool:
        """True if something in it cannot be read; it might give points."""
        return self._broken or len(self._file.rules) != len(self._file.names("rules"))

    def reach(self, model: ScoreModel) -> Reach:
        """How low and how high the score can get; what campaigns add counts only if some campaign does."""
        adjusted = self._name in self._check.names.adjusted
        return reach(model, [rule for rule in self.event_rules if adjusted or rule.event != ADJUSTED])

    # ── formulas ─────────────────────────────────────────────────────────────────────────────────────────────

    def _formula(self) -> Expression | None:
        """The formula, which stands instead of rules."""
        file, problems = self._file, self._check.problems
        if file.formula is None:
            if "rules" not in file.node.entries:
                text = "nothing says what the score is made of"
                problems.add(file.node.place, "missing-key", text, "add `rules` or `formula`")
            return None
        for key in OF_SUMS:
            if key in file.node.entries:
                problems.add(file.node.keys[key], "too-many-keys", f"`formula` and `{key}` in one score", "remove one")
        formula = self._check.expression(file.formula, "number", self._check.names.scope(refused=IN_FORMULA))
        self._broken |= formula is None
        return formula

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────────

    def _rule(self, name: Text, rule: Rule) -> None:
        group = str(rule.group or "")
        if rule.group is not None:
            declare = f"declare it: `groups: {{{group}: {{range: [0, 30]}}}}`"
            self._check.known("group", rule.group, self._file.names("groups"), declare)
        if rule.event is not None:
            self._event_rule(name, rule, rule.event, group)
        else:
            self._profile_rule(name, rule, group)

    def _event_rule(self, name: Text, rule: Rule, event: Text, group: str) -> None:
        known = self._check.event(event)
        scope = self._check.names.scope(event, IN_EVENT)
        when = self._check.optional(rule.when, "boolean", scope) if known else None
        points = self._points(rule, scope) if known else 0
        part = self._part(name, rule, group)
        zone = ZoneInfo(self._check.names.zone)
        least, most = bounds(rule, self._check)
        compiled = EventRule(
            id=f"{self._name}.{name}",
            model=self._name,
            event=str(event),
            points=points,
            when=when,
            part=part.name,
            decay=part.decay,
            least=least,
            most=most,
            limit=limit(rule, scope, self._check) if known else None,
            every=rule.every or 1,
            since=rule.since.micros(zone) if rule.since else None,
            until=rule.until.micros(zone) if rule.until else None,
        )
        check_frame(rule, compiled, self._check)
        self.event_rules.append(compiled)

    def _adjusting(self) -> EventRule:
        """The rule that counts what campaigns add. Every sum has it, so that no edit of a campaign changes a score."""
        part = self._shared("")
        scope = self._check.names.scope(ADJUSTED)
        when = compile_expression(f"event.model == {json.dumps(self._name)}", scope, "boolean")
        points = compile_expression("event.points", scope, "number")
        return EventRule(
            f"{self._name}.{ADJUSTED}", self._name, ADJUSTED, points, when, part.name, part.decay,
            -MOST_POINTS, MOST_POINTS,
        )  # fmt: skip

    def _shared(self, group: str) -> Part:
        """The sum of a group, or of the rules that have none."""
        shared = f"{self._name}/{group}" if group else self._name
        return self._parts.setdefault(group, {}).setdefault(shared, Part(shared, self._decay))

    def _part(self, name: Text, rule: Rule, group: str) -> Part:
        """The sum that a rule's points go to: its own, if it has a range or decay of its own, else its group's."""
        own = decay_of(rule, self._check)
        if own is None and rule.range is None:
            return self._shared(group)
        check_range(rule, self._check)
        minimum, maximum = rule.range or (float("-inf"), float("inf"))
        identifier = f"{self._name}.{name}"
        return self._parts.setdefault(group, {}).setdefault(
            identifier, Part(identifier, own or self._decay, minimum, maximum)
        )

    def _profile_rule(self, name: Text, rule: Rule, group: str) -> None:
        problems = self._check.problems
        for key, does in OF_EVENTS.items():
            if key in rule.node.entries:
                text = f"`{key}` {does}, and this rule is about the lead"
                problems.add(rule.node.keys[key], "useless-key", text, "add `event`, or remove it")
        if rule.when is None:
            text = f"nothing says when the rule `{name}` gives its points"
            hint = "add `event: form.submitted`, or `when: lead.employees > 100`"
            problems.add(rule.node.place, "missing-key", text, hint)
            self._broken = True
            return
        scope = self._check.names.scope(refused=IN_PROFILE)
        holds = self._check.expression(rule.when, "boolean", scope)
        points = self._points(rule, scope)
        least, most = bounds(rule, self._check)
        self._broken |= holds is None
        if holds:
            compiled = ProfileRule(f"{self._name}.{name}", self._name, points, holds, least, most)
            self._profile.setdefault(group, []).append(compiled)

    def _points(self, rule: Rule, scope: Scope) -> float | Expression:
        """A number, or an expression that gives one."""
        if not isinstance(rule.points, Source):
            return rule.points
        compiled = self._check.expression(rule.points, "number", scope)
        self._broken |= compiled is None
        return compiled or 0

    # ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _groups(self) -> Iterator[Group]:
        """What is added up: rules without a group first, then each group."""
        declared = {str(name): group for name, group in self._file.groups.items()}
        for name in ("", *declared):
            minimum, maximum = float("-inf"), float("inf")
            if name:
                check_range(declared[name], self._check)
                minimum, maximum = declared[name].range
            parts, profile = self._parts.get(name, {}), self._profile.get(name, ())
            if parts or profile:
                yield Group(name, tuple(parts.values()), tuple(profile), minimum, maximum)

    def _check_decay(self) -> None:
        """A decay that no rule of the score has."""
        file = self._file
        if file.formula is not None or self.incomplete or any(rule.event for rule in file.rules.values()):
            return
        for key in DECAYS:
            if key in file.node.entries:
                text = f"`{key}` ages events, and this score has only rules about the lead"
                self._check.problems.add(file.place(key), "useless-key", text, "remove it")

    # ── bands ────────────────────────────────────────────────────────────────────────────────────────────────

    def _bands(self) -> Iterator[Band]:
        """The bands, each one possible to enter and to leave."""
        minimum, maximum = self._file.range
        problems = self._check.problems
        entered: dict[float, str] = {}
        for name, band in self._file.bands.items():
            if band.enter > maximum:
                text = f"`{name}` is entered at {band.enter:g}, and the score ends at {maximum:g}"
                problems.add(band.place("enter"), "never-entered", text, "lower `enter`, or raise the range")
            if band.enter <= minimum:
                text = f"`{name}` is entered at {band.enter:g}, and the score begins at {minimum:g}: everybody is in it"
                problems.add(band.place("enter"), "always-entered", text, "raise `enter`")
            if band.leave > band.enter:
                text = f"`{name}` is left below {band.leave:g} and entered already at {band.enter:g}"
                problems.add(band.place("leave"), "leave-above-enter", text, "`leave` is at most `enter`")
            if other := entered.get(band.enter):
                text = f"`{name}` is entered at {band.enter:g}, and so is `{other}`"
                problems.add(band.place("enter"), "same-band", text, "give each band its own `enter`")
            entered[band.enter] = name
            yield Band(str(name), band.enter, band.leave, span(band.hold), span(band.cool_down))

    def _check_reach(self, model: ScoreModel) -> None:
        """Bands inside the range that the rules never get to."""
        file = self._file
        highest = model.maximum if self.incomplete else self.reach(model)[1]
        for name, band in file.bands.items():
            if highest < band.enter <= model.maximum:
                text = f"`{name}` is entered at {band.enter:g}, and all rules together give at most {highest:g}"
                self._check.problems.add(
                    band.place("enter"), "never-entered", text, "lower `enter`, or give more points"
                )


# ── parts of rules ───────────────────────────────────────────────────────────────────────────────────────────


def span(duration: timedelta | None) -> int:
    """Microseconds; 0 for none."""
    return duration // MICROSECOND if duration else 0


def decay_of(spec: ScoreFile | Rule, check: Checker) -> Decay | None:
    """How points lose their worth, or None where nothing is said."""
    said = [key for key in DECAYS if key in spec.node.entries]
    for key in said[1:]:
        text = f"`{said[0]}` and `{key}` together"
        check.problems.add(spec.node.keys[key], "too-many-keys", text, "points lose their worth in one way")
    if spec.half_life is not None:
        return HalfLife(span(spec.half_life))
    if spec.expire is not None:
        if spec.expire % DAY:
            text = "points expire after whole days"
            check.problems.add(spec.place("expire"), "out-of-range", text, "write it like 90 days")
        return Expiry(max(1, spec.expire // DAY))
    if isinstance(spec.decay, Steps):
        return StepDecay(spec.decay.percent, span(spec.decay.every))
    return KEEP if spec.decay == "none" else None


def check_range(spec: Any, check: Checker) -> None:
    """A range has to leave room between its ends."""
    if spec.range is not None and spec.range[0] >= spec.range[1]:
        hint = "write the lower end first: [0, 100]"
        check.problems.add(spec.place("range"), "empty-range", "the range is empty", hint)


def bounds(rule: Rule, check: Checker) -> tuple[float, float]:
    """The least and most points that an expression may give."""
    if rule.between is None:
        return -MOST_POINTS, MOST_POINTS
    if not isinstance(rule.points, Source):
        text = f"`between` bounds an expression, and the points are always {rule.points}"
        check.problems.add(rule.node.keys["between"], "useless-key", text, "remove it")
    if rule.between[0] >= rule.between[1]:
        text = "no number lies between them"
        check.problems.add(rule.place("between"), "empty-range", text, "write the lower end first: [0, 50]")
    return rule.between


def limit(rule: Rule, scope: Scope, check: Checker) -> Limit | None:
    """Which of several events count."""
    spec = rule.limit
    if spec is None:
        return None
    place, node = rule.place("limit"), cast("Scalar", rule.node.entries["limit"])
    if not spec.most:
        check.problems.add(place, "never-fires", "a limit of 0 counts nothing", "raise it, or remove the rule")
    if spec.most > MOST_COUNTED:
        text = f"a limit of {spec.most} is remembered for every lead"
        check.problems.add(place, "out-of-range", text, f"it can be at most {MOST_COUNTED}")
    if isinstance(spec.window, timedelta) and spec.window < SHORTEST_WINDOW:
        check.problems.add(place, "out-of-range", "the window is too short", "it can be at least 1 minute")
    key = limit_key(Source.inside(node, spec.key, spec.key_at), scope, check) if spec.key else None
    return Limit(spec.most, key, spec.engine_window)


def limit_key(source: Source, scope: Scope, check: Checker) -> Expression | None:
    """What makes events alike; a word that is no expression at all was meant as a stretch of time."""
    if source.replace(" ", "").isalnum():
        text = f"`{source}` is neither a time nor a property of the event"
        near = nearest(source, WINDOWS)
        check.problems.add(source.place, "wrong-type", text, f"did you mean {near}?" if near else Limited.advice)
        return None
    if backwards := re.fullmatch(rf"({WINDOW})\s+per\s+(.+)", source):
        text, hint = "the time comes last", f"write it like 1 per {backwards[2]} per {backwards[1]}"
        check.problems.add(source.place, "wrong-type", text, hint)
        return None
    return check.expression(source, None, scope)


def check_frame(rule: Rule, compiled: EventRule, check: Checker) -> None:
    """A time frame has to have time in it."""
    if compiled.since is not None and compiled.until is not None and compiled.since >= compiled.until:
        text = "`until` is not after `from`: no event lies between them"
        check.problems.add(rule.place("until"), "never-fires", text, "write a later day")

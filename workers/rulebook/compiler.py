"""A bundle of files into a `Rulebook`: read each file by its kind, gather the names, compile, and index."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar
from zoneinfo import available_timezones

from workers.engine.expressions import joined
from workers.engine.rules import Account, Rulebook, SourceSpec
from workers.engine.values import OWN_SOURCE
from workers.rulebook.addresses import is_mailbox
from workers.rulebook.bundle import RULES, TEMPLATES, version_of
from workers.rulebook.campaigns import campaign, caps, plan_of
from workers.rulebook.consent import consent, topics
from workers.rulebook.declarations import (
    AccountFile,
    CampaignFile,
    CapsFile,
    ConsentFile,
    GradeFile,
    MachinesFile,
    PromoteFile,
    ScoreFile,
    SendingFile,
    SourceFile,
    TrackingFile,
)
from workers.rulebook.dependencies import check_dependencies
from workers.rulebook.examples import check_examples
from workers.rulebook.fields import fields
from workers.rulebook.flow import check_circles
from workers.rulebook.gather import is_zone, names_of
from workers.rulebook.history import counted, scoring_hash
from workers.rulebook.names import Checker
from workers.rulebook.nodes import key_place
from workers.rulebook.problems import Place
from workers.rulebook.promotion import promotion_rule
from workers.rulebook.scoring import ScoreCompiler
from workers.rulebook.sending import sending
from workers.rulebook.shape import Shape, Text
from workers.rulebook.specs import read_specs
from workers.rulebook.standing import check_reached, grade, segments, stages
from workers.rulebook.templates import categories_of, check_templates
from workers.rulebook.tracking import tracking
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from workers.engine.rules import Campaign, EventRule, PromotionRule, ScoreModel, Trigger
    from workers.rulebook.installed import Installed
    from workers.rulebook.problems import Problems
    from workers.rulebook.specs import Specs

S = TypeVar("S", bound=Shape)
T = TypeVar("T")
MICROSECOND: Final = timedelta(microseconds=1)
GENERAL: Final = "standard"
"""The adapter for senders that have none of their own."""


def compile_bundle(bundle: Mapping[str, str], problems: Problems, installed: Installed | None) -> Rulebook | None:
    """The rulebook, or None where something is wrong.

    Args:
        bundle: path to text.
        problems: takes what is wrong.
        installed: the adapters that rules may name; None does not look at adapters.
    """
    specs = read_specs(bundle, problems)
    check = Checker(names_of(specs, bundle, problems), problems, installed)
    account = account_of(specs, check)
    check_templates(bundle, check.names, problems)
    credit = credit_of(specs, check)
    models, rules, check = scores(specs, check)
    held = segments(specs, check)
    check_dependencies(models, held, check)
    rulebook = Rulebook(
        version=version_of(bundle),
        account=account or NOBODY,
        fields=fields(specs, check),
        events=check.names.events,
        models=models,
        stages=stages(specs, check),
        campaigns=named(specs.of(CampaignFile), "campaign", lambda file: campaign(file, check), problems),
        promotion=promotion_of(specs, account, check),
        sources=named(specs.of(SourceFile), "source", lambda file: source_spec(file, check), problems),
        templates={path: text for path, text in bundle.items() if path.startswith(TEMPLATES)},
        by_event=rules_by_event(rules),
        grades=named(specs.of(GradeFile), "grade", lambda file: grade(file, check), problems),
        segments=held,
        credit=credit,
        caps=caps(specs.of(CapsFile)),
        categories=categories_of(bundle),
        tracking=tracking(specs.one(TrackingFile), check),
        sending=sending(specs.one(SendingFile), check),
        consent=consent(specs.one(ConsentFile), bundle, check),
        topics=topics(specs.one(ConsentFile), bundle, check),
    )
    check_reached(specs, rulebook.campaigns, check)
    check_circles(rulebook.campaigns, check)
    check_examples(specs, rulebook.campaigns, check)
    return None if problems else indexed(rulebook, specs, check)


def indexed(rulebook: Rulebook, specs: Specs, check: Checker) -> Rulebook:
    """The rulebook with what follows from all of it."""
    campaigns = rulebook.campaigns.values()
    whole = replace(
        rulebook,
        enter_by_event=triggers_by_event(campaigns, lambda each: each.enter),
        exit_by_event=triggers_by_event(campaigns, lambda each: each.exits),
        counted=counted(use.expression for use in check.uses),
        join=joined,
    )
    return replace(whole, scoring=scoring_hash(whole, specs.of(ScoreFile)), plan=plan_of(whole, specs.of(CampaignFile)))


def named(files: Sequence[S], key: str, build: Callable[[S], T], problems: Problems) -> dict[str, T]:
    """What is built of files, by the name that stands under `key`; no two may have one name."""
    built: dict[str, T] = {}
    first: dict[str, Place] = {}
    for file in files:
        name: Text = getattr(file, key)
        if name in first:
            text = f"a second {key} `{name}`, the first is in {first[name].file}"
            problems.add(name.place, "duplicate-name", text, "give it another name")
        first.setdefault(str(name), name.place)
        built[str(name)] = build(file)
    return built


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────

NOBODY: Final = Account("", "UTC", "", "", "")
"""Stands for an account that is missing or wrong, while the rest is checked."""


def account_of(specs: Specs, check: Checker) -> Account | None:
    """The account; every rulebook needs one."""
    file = specs.one(AccountFile)
    if file is None:
        if specs.unread.isdisjoint({None, AccountFile}):
            hint = "write rules/account.yaml with company, zone, currency, sender and address"
            check.problems.add(Place(f"{RULES}account.yaml"), "missing-file", "nothing says who sends", hint)
        return None
    spec = file.account
    if not is_zone(spec.zone):
        hint = suggestion(spec.zone, available_timezones()) or "write it like Europe/Berlin"
        check.problems.add(spec.zone.place, "unknown-zone", f"there is no time zone `{spec.zone}`", hint)
    if not is_mailbox(spec.sender):
        hint = 'write "Name <name@company.example>"'
        check.problems.add(spec.sender.place, "bad-address", f"`{spec.sender}` is no sender", hint)
    return Account(
        company=str(spec.company),
        zone=str(spec.zone),
        currency=str(spec.currency),
        sender=str(spec.sender),
        address=str(spec.address),
        business=spec.business,
        site=str(spec.site or ""),
    )


def credit_of(specs: Specs, check: Checker) -> int:
    """Microseconds within which a human sign credits a machine's open or click."""
    account = specs.one(AccountFile)
    said = [file.machines for file in (account, specs.one(MachinesFile)) if file and file.machines]
    for second in said[1:]:
        text = f"`machines` stands in {said[0].node.place.file}, too"
        check.problems.add(second.node.place, "duplicate-file", text, "remove one")
    return said[0].credit_within // MICROSECOND if said else 0


def scores(specs: Specs, check: Checker) -> tuple[dict[str, ScoreModel], list[EventRule], Checker]:
    """All scores, those that are formulas last, when it is known how high the others can get.

    Returns:
        the models, their event rules, and a checker that knows how high each score can get.
    """
    rules: list[EventRule] = []
    ranges = dict(check.names.ranges)
    with_ranges = replace(check, names=replace(check.names, ranges=ranges))

    def compiled(file: ScoreFile) -> ScoreModel:
        compiler = ScoreCompiler(file, with_ranges)
        model = compiler.model()
        rules.extend(compiler.event_rules)
        if model.name in once and not compiler.incomplete:
            ranges[model.name] = compiler.reach(model)
        return model

    files = sorted(specs.of(ScoreFile), key=lambda file: file.formula is not None)
    once = [name for name, times in Counter(str(file.score) for file in files).items() if times == 1]
    return named(files, "score", compiled, check.problems), rules, with_ranges


def promotion_of(specs: Specs, account: Account | None, check: Checker) -> PromotionRule | None:
    """The promotion rule, if there is one."""
    file = specs.one(PromoteFile)
    return promotion_rule(file.promote, account.currency, check) if file and account else None


def source_spec(file: SourceFile, check: Checker) -> SourceSpec:
    """A configured source; the adapter itself knows its options."""
    name = file.adapter or file.source
    if file.source == OWN_SOURCE:
        text = f"`{OWN_SOURCE}` is the source of what happens here: mails that were sent, people who unsubscribed"
        check.problems.add(file.source.place, "reserved-name", text, "give it another name")
    if check.installed:
        check_source(file, name, check.installed, check)
    return SourceSpec(str(file.source), str(name), file.options)


def check_source(file: SourceFile, adapter: Text, installed: Installed, check: Checker) -> None:
    """See whether there is such an adapter, and whether it takes the options."""
    declare = f"say which one reads it: `adapter: {GENERAL}`" if file.adapter is None else ""
    if not check.known("adapter", adapter, installed.sources, declare):
        return
    mistake = installed.refusal(adapter, file.options)
    if mistake:
        check.problems.add(key_place(file.node, mistake.keys), "bad-option", mistake.text, mistake.hint)
        return
    known = {"email", *check.names.fields}
    for keys, name in installed.fields(adapter, file.options).items():
        if name not in known:
            text = f"there is no field `{name}`: what the source tells of it would be left aside"
            hint = suggestion(name, known, declare="declare it in rules/fields.yaml")
            check.problems.add(key_place(file.node, keys), "unknown-field", text, hint)


# ── indexes ──────────────────────────────────────────────────────────────────────────────────────────────────


def rules_by_event(rules: Iterable[EventRule]) -> dict[str, tuple[EventRule, ...]]:
    """Event rules by event type, over all models."""
    index: dict[str, list[EventRule]] = {}
    for rule in rules:
        index.setdefault(rule.event, []).append(rule)
    return {event: tuple(found) for event, found in index.items()}


def triggers_by_event(
    campaigns: Iterable[Campaign], chosen: Callable[[Campaign], Sequence[Trigger]]
) -> dict[str, tuple[tuple[Campaign, Trigger], ...]]:
    """Campaigns with their triggers, by event type."""
    index: dict[str, list[tuple[Campaign, Trigger]]] = {}
    for each in campaigns:
        for trigger in chosen(each):
            if trigger.event:
                index.setdefault(trigger.event, []).append((each, trigger))
    return {event: tuple(pairs) for event, pairs in index.items()}

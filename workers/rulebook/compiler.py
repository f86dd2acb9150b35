"""A bundle of files into a `Rulebook`: read each file by its kind, gather the names, compile, and index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from workers.engine.rules import Account, Rulebook, SourceSpec, Stage
from workers.rulebook.addresses import is_mailbox
from workers.rulebook.bundle import RULES, TEMPLATES, version_of
from workers.rulebook.campaigns import campaign
from workers.rulebook.declarations import (
    KINDS,
    STANDARD_EVENTS,
    AccountFile,
    CampaignFile,
    EventsFile,
    FieldsFile,
    PromoteFile,
    ScoreFile,
    SourceFile,
    StagesFile,
)
from workers.rulebook.names import Checker, Names
from workers.rulebook.nodes import Mapped, Node, Scalar
from workers.rulebook.problems import Place
from workers.rulebook.promotion import promotion_rule
from workers.rulebook.reader import BAD, Reader
from workers.rulebook.scoring import score_model
from workers.rulebook.shape import Shape, Text, declared
from workers.rulebook.templates import check_templates, mail_names
from workers.rulebook.yaml12 import read_yaml
from workers.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from workers.engine.rules import Campaign, EventRule, ScoreModel, Trigger
    from workers.rulebook.installed import Installed
    from workers.rulebook.problems import Problems

S = TypeVar("S", bound=Shape)
KIND_OF: Final = {next(iter(declared(kind))): kind for kind in KINDS}
"""The kinds of rule files by their word."""
ONCE: Final = (AccountFile, StagesFile, PromoteFile)
"""Kinds of which there is one file: two would contradict each other, or have no order."""
UNREADABLE: Final = "any"
"""Type of a field or property whose declaration is wrong: it goes with everything, so one mistake is one finding."""
DECLARING: Final = frozenset({None, FieldsFile, EventsFile, StagesFile, ScoreFile})
"""Kinds that declare names for other files; None is a file whose kind is not known."""


@dataclass(slots=True)
class Specs:
    """What the rule files say, by kind.

    Attributes:
        unread: kinds of files that were there and could not be read; None for files of unknown kind.
    """

    files: dict[type[Shape], list[Any]] = field(default_factory=dict)
    unread: set[type[Shape] | None] = field(default_factory=set)

    def of(self, kind: type[S]) -> list[S]:
        """All files of one kind."""
        return self.files.get(kind, [])

    def one(self, kind: type[S]) -> S | None:
        """The file of a kind that there is one of."""
        return next(iter(self.of(kind)), None)


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
    check_templates(bundle, check.names.fields, problems)
    models = named(specs.of(ScoreFile), "score", lambda file: score_model(file, check), problems)
    campaigns = named(specs.of(CampaignFile), "campaign", lambda file: campaign(file, check), problems)
    sources = named(specs.of(SourceFile), "source", lambda file: source_spec(file, check), problems)
    stages = stages_of(specs, check)
    promote = specs.one(PromoteFile)
    promotion = promotion_rule(promote.promote, account.currency, check) if promote and account else None
    if problems or account is None:
        return None
    return Rulebook(
        version=version_of(bundle),
        account=account,
        fields=check.names.fields,
        events=check.names.events,
        models=models,
        stages=stages,
        campaigns=campaigns,
        promotion=promotion,
        sources=sources,
        templates={path: text for path, text in bundle.items() if path.startswith(TEMPLATES)},
        by_event=rules_by_event(models.values()),
        enter_by_event=triggers_by_event(campaigns.values(), lambda each: each.enter),
        exit_by_event=triggers_by_event(campaigns.values(), lambda each: each.exits),
    )


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────


def read_specs(bundle: Mapping[str, str], problems: Problems) -> Specs:
    """Every rule file by its kind."""
    specs = Specs()
    reader = Reader(problems)
    for path, text in sorted(bundle.items()):
        if not path.startswith(RULES):
            continue
        node = read_yaml(path, text, problems)
        kind = kind_of(node, problems) if node else None
        spec = reader.shape(node, kind, next(iter(declared(kind)))) if node and kind else BAD
        if spec is BAD or kind is None:
            specs.unread.add(kind)
        else:
            add(specs, kind, spec, problems)
    problems.incomplete = not specs.unread.isdisjoint(DECLARING)
    return specs


def kind_of(node: Node, problems: Problems) -> type[Shape] | None:
    """Which kind of rule file this is."""
    listed = ", ".join(f"`{word}`" for word in sorted(KIND_OF))
    if isinstance(node, Scalar) and node.value is None:
        problems.add(node.place, "empty-file", "the file says nothing", f"begin with one of {listed}")
        return None
    if not isinstance(node, Mapped):
        problems.add(
            node.place, "wrong-type", f"a rule file is a mapping, this is {node.said}", f"begin with one of {listed}"
        )
        return None
    for word, kind in KIND_OF.items():
        if word in node.entries and (word == "source" or word == first_kind(node)):
            return kind
    near = next((hint for key in node.entries if (hint := suggestion(key, KIND_OF, "`{}`"))), "")
    place = next(iter(node.keys.values()), node.place)
    problems.add(place, "unknown-kind", "nothing here says what kind of rule file this is", near)
    return None


def first_kind(node: Mapped) -> str | None:
    """The first key that names a kind of file."""
    return next((key for key in node.entries if key in KIND_OF), None)


def add(specs: Specs, kind: type[Shape], spec: Any, problems: Problems) -> None:
    """Take a file in, unless it is the second of a kind that there is one of."""
    present = specs.files.setdefault(kind, [])
    if present and kind in ONCE:
        word = next(iter(declared(kind)))
        first = present[0].node.place.file
        text = f"a second file with `{word}`, the first is {first}"
        problems.add(spec.node.keys[word], "duplicate-file", text, "put them into one")
        return
    present.append(spec)


# ── names ────────────────────────────────────────────────────────────────────────────────────────────────────


def names_of(specs: Specs, bundle: Mapping[str, str], problems: Problems) -> Names:
    """What the files declare for one another."""
    fields: dict[str, str] = {}
    for file in specs.of(FieldsFile):
        for name, declaration in file.fields.items():
            once(name, fields, "field", problems)
            fields[str(name)] = declaration.type
        fields = {**dict.fromkeys(file.names("fields"), UNREADABLE), **fields}
    bands: dict[str, list[str]] = {}
    for score in specs.of(ScoreFile):
        bands.setdefault(str(score.score), []).extend(score.names("bands"))
    stages = specs.one(StagesFile)
    account = specs.one(AccountFile)
    return Names(
        fields=fields,
        events=events_of(specs, problems),
        bands=bands,
        stages=stages.names("stages") if stages else [],
        templates=mail_names(bundle),
        zone=str(account.account.zone) if account and is_zone(account.account.zone) else "UTC",
    )


def events_of(specs: Specs, problems: Problems) -> dict[str, Mapping[str, str]]:
    """All event types and their properties; a declaration adds to a standard type."""
    events: dict[str, Mapping[str, str]] = dict(STANDARD_EVENTS)
    seen: set[str] = set()
    for file in specs.of(EventsFile):
        written = file.node.plain["events"] or {}
        for name, properties in file.events.items():
            once(name, seen, "event", problems)
            own = {str(key): str(value) for key, value in properties.items()}
            every = dict.fromkeys(written[name] or (), UNREADABLE)
            events[str(name)] = {**STANDARD_EVENTS.get(str(name), {}), **every, **own}
        seen |= set(written)
        events = {**{str(name): {} for name in written}, **events}
    return events


def once(name: Text, seen: Iterable[str], noun: str, problems: Problems) -> None:
    """Refuse a name that is declared already."""
    if name in seen:
        problems.add(name.place, "duplicate-name", f"the {noun} `{name}` is declared twice", "remove one")


T = TypeVar("T")


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
    return Account(*(str(getattr(spec, key)) for key in declared(type(spec))))


def is_zone(name: str) -> bool:
    """True for an IANA time zone."""
    try:
        return bool(ZoneInfo(name).key)
    except (KeyError, ValueError, OSError):  # its names are paths: impossible ones and folders raise the latter two
        return False


def stages_of(specs: Specs, check: Checker) -> tuple[Stage, ...]:
    """The lifecycle, in order."""
    file = specs.one(StagesFile)
    if file is None:
        return ()
    scope = check.names.scope()
    return tuple(Stage(str(name), check.optional(stage.when, "boolean", scope)) for name, stage in file.stages.items())


def source_spec(file: SourceFile, check: Checker) -> SourceSpec:
    """A configured source; the adapter itself knows its options."""
    name = file.adapter or file.source
    if check.installed:
        check_source(file, name, check.installed, check)
    return SourceSpec(str(file.source), str(name), file.options)


def check_source(file: SourceFile, adapter: Text, installed: Installed, check: Checker) -> None:
    """See whether there is such an adapter, and whether it takes the options."""
    if not check.known("adapter", adapter, installed.sources):
        return
    mistake = installed.refusal(adapter, file.options)
    if mistake:
        check.problems.add(key_place(file.node, mistake.keys), "bad-option", mistake.text, mistake.hint)


def key_place(node: Node, keys: Sequence[str]) -> Place:
    """Where the last of these keys stands, each below the one before it; as near as the file has them."""
    place = node.place
    for key in keys:
        if not isinstance(node, Mapped) or key not in node.entries:
            break
        place, node = node.keys[key], node.entries[key]
    return place


# ── indexes ──────────────────────────────────────────────────────────────────────────────────────────────────


def rules_by_event(models: Iterable[ScoreModel]) -> dict[str, tuple[EventRule, ...]]:
    """Event rules by event type, over all models."""
    index: dict[str, list[EventRule]] = {}
    for model in models:
        for rule in model.event_rules:
            index.setdefault(rule.event, []).append(rule)
    return {event: tuple(rules) for event, rules in index.items()}


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

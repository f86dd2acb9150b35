"""What is made of the declarations: the schema for editors, the manual, and findings in the formats of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.workers.rulebook.base import BASE
from tests.workers.rulebook.full import FULL
from tests.workers.rulebook.manual_base import MANUAL_BASE, among
from tests.workers.rulebook.validity import complaints
from workers.cli._checking import check_all
from workers.engine.expressions.functions import FUNCTIONS
from workers.engine.expressions.vocabulary import FILTER_NAMES
from workers.engine.steps import found
from workers.rulebook import Problem, check, manual, read, schema, to_json, to_sarif
from workers.rulebook.declarations import KINDS
from workers.rulebook.guides import GUIDES
from workers.rulebook.reference import entries, parts_of, words
from workers.rulebook.shape import declared, is_shape, members
from workers.rulebook.stepkeys import keys_of

ROOT = Path(__file__).parents[3]
ENTRIES = entries()

# ── schema ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(schema())
    assert json.loads(json.dumps(schema())) == schema()


@pytest.mark.parametrize(
    "bundle",
    [BASE, FULL, MANUAL_BASE, read(ROOT / "rules", ROOT / "templates")],
    ids=["base", "full", "manual", "shipped"],
)
def test_rules_without_a_mistake_are_valid(bundle):
    assert check(bundle) == []
    assert [complaint for path, text in bundle.items() for complaint in complaints(path, text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "score: x",
        "score: X y\nrules: {}",
        "score: x\nrules: {a: {event: page.viewed}}",
        "score: x\nrules: {a: {event: page.viewed, points: 1, limt: once}}",
        "score: x\nrules: {a: {event: page.viewed, points: 1, limit: 3 a day}}",
        "score: x\nrules: {a: {event: page.viewed, points: 20000}}",
        "score: x\nhalf_life: 30\nrules: {}",
        "score: x\nrange: [1]\nrules: {}",
        "fields: {a: {type: number}}",
        "campaign: x\nenter: {stage: a}\nsteps: [{sned: x}]",
        "campaign: x\nenter: {stage: a, event: b}\nsteps: []",
        "campaign: x\nenter: {date: a, before: soon}\nsteps: [{end: x}]",
        "campaign: x\nenter: {schedule: mondays}\nsteps: [{end: x}]",
        "campaign: x\nenter: {stage: lead}\nquiet_hours: {from: 8pm, to: 8am}\nsteps: [{end: x}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [{wait_till: noon}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [{wait_date: {before: 1 day}}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [{add_score: {model: engagement}}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [{notify: {to: owner}}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [{webhook: {hook: signed, field: email}}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [{promote: now}]",
        "campaign: x\nenter: {stage: lead}\nsteps: [exit_campaign]",
        "promote: {at: lead}",
        "nothing: x",
        "- a",
    ],
)
def test_mistakes_that_an_editor_can_see_are_underlined(text):
    if text != "score: x":  # that one of two keys has to be there is for `check` to say
        assert complaints("rules/x.yaml", text)
    assert check({**BASE, "rules/x.yaml": text})


def test_every_key_is_described():
    def keys(schema):
        if isinstance(schema, dict):
            for name, each in schema.get("properties", {}).items():
                yield name, each
            for each in schema.values():
                yield from keys(each)
        if isinstance(schema, list):
            for each in schema:
                yield from keys(each)

    described = list(keys(schema()["$defs"]))
    assert len(described) > 100
    assert [name for name, each in described if not each.get("description") and name not in found()] == []


# ── manual ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("entry", ENTRIES, ids=[f"{entry.word} {entry.where}" for entry in ENTRIES])
def test_every_example_of_the_manual_works(entry):
    assert check(among(entry.example)) == [], entry.example
    assert f"{entry.word}:" in entry.example or f"{entry.word}(" in entry.example or f"| {entry.word}" in entry.example
    assert complaints("rules/example.yaml", entry.example) == []
    assert entry.text.endswith((".", "…"))


def test_the_manual_knows_every_word():
    def keys(kind):
        for held in members(kind) if members(kind) != [kind] else getattr(kind, "__args__", ()):
            yield from keys(held)
        if is_shape(kind):
            for name, (_, held, said) in declared(kind).items():
                if not said.rest:
                    yield name
                yield from keys(held)

    rules = {name for kind in KINDS for name in keys(kind)}
    settings = {name for kind in found().values() for name in keys_within(kind)}
    assert rules | set(FUNCTIONS) | set(FILTER_NAMES) | set(found()) | settings == set(words())


def keys_within(kind):
    for name, key in keys_of(kind).items():
        yield name
        for part in parts_of(key.kind):
            yield from keys_within(part)


def test_a_setting_of_a_step_is_a_word_of_its_own():
    told = manual("confidence")
    assert told.startswith("confidence: in `decide` of `split`, a step of a campaign\n\n    How certain")
    assert "decide confidence: how certain the difference has to be" in manual("split")


def test_a_word_of_rules_comes_before_the_same_word_in_examples():
    assert manual("campaign").startswith("campaign: a campaign\n")
    assert manual("runs").startswith("runs: in what comes of an example\n")


def test_a_key_that_holds_other_keys_tells_them():
    assert "    exit: why it exited" in manual("runs")
    assert "    date: A date that a field of the lead tells" in manual("enter")


def test_a_word_is_told_with_its_keys_and_an_example():
    told = manual("limit")
    assert told.startswith("limit: in a rule of a score\n\n    Only so many events count")
    assert "        event: page.viewed\n        limit: 3 per day" in told
    assert "half_life: points lose half their worth" in manual("score")
    assert manual("range").count("range: in a") == 3
    assert "at the very instant at which that turns" in " ".join(manual("days_since").split())
    assert max(map(len, manual("score").splitlines())) <= 100


@pytest.mark.parametrize("page", GUIDES, ids=[page.word for page in GUIDES])
def test_what_a_page_of_the_manual_shows_works(page):
    bundle = page.files if page.word == "start" else {**MANUAL_BASE, **page.files}
    assert [each for each in check_all(bundle).problems if each.file in page.files] == []
    told = manual(page.word)
    assert told == manual(page.also[-1])
    assert all(path in told for path in page.files)
    assert page.word in manual("").split()
    assert max(map(len, told.splitlines())) <= 120


def test_words_that_nobody_knows():
    assert "accept_within · account" in manual("")
    with pytest.raises(KeyError, match="did you mean limit"):
        manual("limt")


# ── formats ──────────────────────────────────────────────────────────────────────────────────────────────────

PROBLEMS = [
    Problem("rules/a b.yaml", 3, 5, "unknown-key", "there is no key `x`", "did you mean `y`?"),
    Problem("rules/a b.yaml", 9, 1, "unknown-key", "there is no key `z`"),
    Problem("rules/c.yaml", 1, 1, "empty-file", "the file says nothing", "begin"),
]
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string", "format": "uri"},
        "runs": {"type": "array", "items": {
            "type": "object",
            "required": ["tool"],
            "properties": {
                "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"rules": {"type": "array", "uniqueItems": True, "items": {
                        "type": "object",
                        "required": ["id"],
                        "properties": {"shortDescription": {"type": "object", "required": ["text"]}},
                    }}},
                }}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"type": "array", "items": {
                    "type": "object",
                    "required": ["message"],
                    "properties": {
                        "ruleId": {"type": "string"},
                        "ruleIndex": {"type": "integer", "minimum": -1},
                        "level": {"enum": ["none", "note", "warning", "error"]},
                        "message": {"type": "object", "required": ["text"]},
                        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                        "locations": {"type": "array", "items": {"type": "object", "properties": {
                            "physicalLocation": {"type": "object", "properties": {
                                "artifactLocation": {"type": "object", "properties": {
                                    "uri": {"type": "string", "pattern": r"^[A-Za-z0-9._~/:%-]+$"},
                                }},
                                "region": {"type": "object", "properties": {
                                    "startLine": {"type": "integer", "minimum": 1},
                                    "startColumn": {"type": "integer", "minimum": 1},
                                }},
                            }},
                        }}},
                    },
                }},
            },
        }},
    },
}  # fmt: skip
"""The parts of the schema of SARIF 2.1.0 (OASIS) that our logs use."""


def test_findings_as_json():
    told = to_json(PROBLEMS, lambda path: path.replace("rules/", "ops/"))
    assert told[0] == {
        "file": "ops/a b.yaml", "line": 3, "column": 5, "code": "unknown-key", "text": "there is no key `x`",
        "hint": "did you mean `y`?", "level": "error",
    }  # fmt: skip
    assert len(told) == 3


def test_findings_as_sarif():
    log = json.loads(json.dumps(to_sarif(PROBLEMS)))
    Draft202012Validator(SARIF).validate(log)
    run = log["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["empty-file", "unknown-key"]
    assert [result["ruleIndex"] for result in run["results"]] == [1, 1, 0]
    assert run["results"][0]["message"]["text"] == "there is no key `x`; did you mean `y`?"
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "rules/a%20b.yaml"
    assert place["region"] == {"startLine": 3, "startColumn": 5}
    assert len({result["partialFingerprints"]["dripline/v1"] for result in run["results"]}) == 3


def test_findings_that_say_the_same_are_told_apart_and_keep_their_numbers_when_lines_move():
    def marks(*lines: int) -> list[str]:
        problems = [Problem("rules/a.yaml", line, 1, "unknown-key", "there is no key `x`") for line in lines]
        results = to_sarif(problems)["runs"][0]["results"]
        return [result["partialFingerprints"]["dripline/v1"] for result in results]

    assert len(set(marks(3, 9))) == 2
    assert marks(3, 9) == marks(4, 12)


def test_an_absolute_path_is_a_uri_of_its_own():
    log = to_sarif(PROBLEMS[:1], lambda path: f"/srv/{path}")
    location = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location["uri"] == "file:///srv/rules/a%20b.yaml"


def test_no_findings_as_sarif():
    Draft202012Validator(SARIF).validate(to_sarif([]))

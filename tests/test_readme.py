"""What the README says is so: commands, settings, links and excerpts exist."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from integrations import discovery
from workers.config import Settings

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG: Final = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
EXAMPLE: Final = (ROOT / ".env.example").read_text(encoding="utf-8")
COMPOSE: Final = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMMANDS: Final = {file.stem.replace("_", "-") for file in (ROOT / "workers/cli").glob("[a-z]*.py")}
BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXCERPTS: Final = [text for kind, text in BLOCK.findall(README) if kind == "yaml"]
SOURCES: Final = {"typeform": "typeform", "sendgrid": "sendgrid", "product": "standard"}


def section(title: str) -> str:
    return next(part for part in re.split(r"^## ", README, flags=re.MULTILINE) if part.startswith(title + "\n"))


def settings_names() -> set[str]:
    own = {f"DRIPLINE_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    adapters = [("email", name, name) for name in discovery.names("email")]
    adapters += [(kind, name, name) for kind in ("crm", "inbound", "hooks") for name in discovery.names(kind)]
    adapters += [("hooks", "slack", "slack-sales"), ("email", "smtp", "smtp-backup")]
    adapters += [("sources", adapter, name) for name, adapter in (SOURCES | {"website": "standard"}).items()]
    for kind, adapter, name in adapters:
        fields = dataclasses.fields(discovery.adapter(kind, adapter))
        own |= {discovery.variable(name, field.name) for field in fields if field.init}
    return own


def holds(part: Any, whole: Any) -> bool:
    """True if everything in `part` stands in `whole`, too."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and holds(value, whole[name]) for name, value in part.items())
    if isinstance(part, list) and isinstance(whole, list) and part and isinstance(part[0], dict):
        return all(any(holds(each, other) for other in whole) for each in part)
    return bool(part == whole)


def test_the_start_is_two_commands_one_demo_one_tests():
    commands = [text for _, text in BLOCK.findall(section("Start"))]
    assert len(commands) == 2
    assert commands[0].rstrip().endswith("dripline demo")
    assert commands[1].rstrip().endswith("pytest -q")
    assert all(command.startswith("python3 -m venv .venv && ") for command in commands)
    assert all(command.count("\n") == 1 for command in commands)


@pytest.mark.parametrize("text", [README, CHANGELOG, COMPOSE], ids=["readme", "changelog", "compose"])
def test_every_command_exists(text):
    said = set(re.findall(r"(?:[`/\"]|&& )dripline(?:\", \"| )([a-z][a-z-]*)", text))
    assert said
    assert said - COMMANDS == set()


@pytest.mark.parametrize("text", [README, EXAMPLE, COMPOSE], ids=["readme", "example", "compose"])
def test_every_setting_exists(text):
    said = set(re.findall(r"\bDRIPLINE_[A-Z_]*[A-Z]\b", text))
    assert said
    assert said - settings_names() == set()


def test_every_link_inside_the_repository_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)", README)
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=[text.splitlines()[0] for text in EXCERPTS])
def test_every_excerpt_stands_in_the_file_that_it_names(excerpt):
    path = ROOT / excerpt.splitlines()[0].removeprefix("# ")
    assert holds(yaml.safe_load(excerpt), yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_sources_that_it_describes_are_those_of_the_example():
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / "rules/sources").iterdir()]
    assert {file["source"]: file.get("adapter", file["source"]) for file in files} == SOURCES

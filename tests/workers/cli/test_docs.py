"""`dripline docs` of the adapters: made of what they say of themselves, and all of it true."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from integrations import discovery
from workers.cli._adapters import page, settings_of
from workers.config import settings_fields, variable

if TYPE_CHECKING:
    from tests.workers.cli.conftest import Dripline

NAMES = sorted({name for kind in discovery.KINDS for name in discovery.names(kind)})
OWN = {variable(each.name) for each in settings_fields()}


def variables(name: str) -> set[str]:
    kinds = [kind for kind in discovery.KINDS if name in discovery.names(kind)]
    return {each["variable"] for kind in kinds for each in settings_of(discovery.adapter(kind, name), name)}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_tells_of_every_setting_and_of_no_other(name: str):
    text = page(name)
    said = set(re.findall(r"\bDRIPLINE_[A-Z0-9_]*[A-Z0-9]\b", text))
    in_files = {f"{each}_FILE" for each in variables(name)}
    assert variables(name) <= said
    assert said - variables(name) - in_files - OWN - {"DRIPLINE_SLACK_SALES_URL"} == set()
    assert max(map(len, text.splitlines())) <= 130


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_explained(name: str):
    kinds = [kind for kind in discovery.KINDS if name in discovery.names(kind)]
    explained = [each for kind in kinds for each in settings_of(discovery.adapter(kind, name), name)]
    assert [each["variable"] for each in explained if not each["says"].endswith(".")] == []
    assert " object at 0x" not in page(name)


@pytest.mark.parametrize("name", discovery.names("email"))
def test_it_says_what_becomes_of_a_mail_whose_answer_is_lost(name: str):
    assert "Where an answer is lost:" in page(name)


def test_it_is_printed_beside_what_the_word_means_in_rules(dripline: Dripline):
    told = dripline("docs", "webhook").out
    assert "a step of a campaign" in told
    assert "DRIPLINE_WEBHOOK_URL" in told
    assert "postmark" in dripline("docs").out
    assert "did you mean" in dripline("docs", "postmrk").err

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from integrations.contracts import Incoming, Request
from integrations.sources.standard import Adapter
from tests.conftest import NOW
from tests.workers.rulebooks import BUNDLE, PRODUCT_SECRET
from workers.cli.init import starter
from workers.dev.example import example
from workers.rulebook import compile_rulebook, shipped

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUES = {"company": "A", "sender": "Ann <ann@acme.test>", "address": "1 Road", "zone": "UTC"}
SOURCE = "rules/sources/product.yaml"


def with_source(**options: object) -> dict[str, str]:
    return BUNDLE | {SOURCE: json.dumps({"source": "shop", "adapter": "standard", **options})}


@pytest.mark.parametrize(
    "bundle",
    [
        shipped(),
        starter(VALUES),
        BUNDLE,
        with_source(),
        with_source(type="event.kind", types={"sign_up": "form.submitted", "noise": "ignore"}, event_id="id"),
        with_source(batch="events", identity={"customer": "who.0.id"}, properties="data"),
        with_source(batch=".", properties={"url": "context.page.url"}),
    ],
    ids=["shipped", "starter", "test", "defaults", "their words", "batch", "list"],
)
def test_what_a_newcomer_is_told_to_post_is_understood_by_the_rules_that_run(bundle: Mapping[str, str]):
    rulebook = compile_rulebook(bundle)
    found = example(rulebook)
    assert found
    source = Adapter(PRODUCT_SECRET, options=rulebook.sources[found.source].options)
    request = Request("POST", "", {"webhook-id": "1"}, found.body.encode(), NOW)
    (event,) = source.normalise(request)
    assert isinstance(event, Incoming)
    assert event.type in {*rulebook.by_event, *rulebook.enter_by_event}
    kind, value = event.identities[0]
    assert found.who == (value if kind == "email" else f"{kind}:{value}")


def test_rules_whose_sources_are_vendors_have_no_example():
    vendor = json.dumps({"source": "typeform", "forms": {"x": "demo"}})
    assert example(compile_rulebook(BUNDLE | {SOURCE: vendor})) is None

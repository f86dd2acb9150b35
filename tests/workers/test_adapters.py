"""What rules say about adapters is checked by the adapters themselves, at its place in the file."""

from __future__ import annotations

import pytest

from integrations import discovery
from tests.workers.rulebooks import BUNDLE
from workers.adapters import installed
from workers.rulebook import check, compile_rulebook, shipped
from workers.text import some

PRODUCT = "rules/sources/product.yaml"
SENDING = "rules/sending.yaml"
PROMOTION = "rules/promotion.yaml"
CRMS = ", ".join(sorted(discovery.names("crm")))


@pytest.mark.parametrize("bundle", [BUNDLE, shipped()], ids=["small", "shipped"])
def test_what_is_right_is_accepted(bundle: dict[str, str]) -> None:
    assert check(bundle, installed()) == []


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (
            PRODUCT, "source: product\nadapter: standrd\n",
            f"{PRODUCT}:2:10: unknown-adapter: there is no adapter `standrd`; did you mean standard?",
        ),
        (
            PRODUCT, "source: shop\nidentity: {email: data.email}\n",
            f"{PRODUCT}:1:9: unknown-adapter: there is no adapter `shop`; say which one reads it: `adapter: standard`",
        ),
        (
            PRODUCT, "source: product\nadapter: standard\nidentiy: {email: data.email}\n",
            (f"{PRODUCT}:3:1: bad-option: 'identiy' is no option of the source adapter 'standard'; "
            "did you mean 'identity'?"),
        ),
        (
            PRODUCT, "source: product\nadapter: standard\ntypes:\n  signup: product.signed_up\n  login: Logged In\n",
            (f"{PRODUCT}:5:3: bad-option: 'types.login' is 'Logged In'; write a dotted lower-case name such as "
            "product.signed_up, or ignore"),
        ),
        (
            PRODUCT, "source: product\nadapter: standard\nlead: {first_name: data..name}\n",
            (f"{PRODUCT}:3:8: bad-option: 'data..name' is no path; write names with single dots between them, such as "
            "data.email"),
        ),
        (
            PRODUCT, "source: product\nadapter: standard\nidentity: {email: data.email}\nlead: {frst_name: data.x}\n",
            (f"{PRODUCT}:4:8: unknown-field: there is no field `frst_name`: what the source tells of it would be left "
            "aside; did you mean first_name?"),
        ),
        (
            PRODUCT, "source: typeform\nanswers:\n  q1: email\n  q2: first_name\n  q3: shoe_size\n",
            (f"{PRODUCT}:5:3: unknown-field: there is no field `shoe_size`: what the source tells of it would be left "
            "aside; declare it in rules/fields.yaml; there is email, employees, first_name"),
        ),
        (
            PRODUCT, "source: typeform\nforms: [demo]\n",
            f"{PRODUCT}:2:1: bad-option: 'forms' has to be a mapping such as {{lT4Z3j: demo}}",
        ),
        (
            PROMOTION, BUNDLE[PROMOTION].replace("crm: webhook", "crm: webhok"),
            f"{PROMOTION}:8:22: unknown-crm: there is no crm `webhok`; did you mean webhook?",
        ),
        (
            SENDING, "sending: {routes: {through: [smtp, postmrk]}}\n",
            f"{SENDING}:1:36: unknown-provider: there is no provider `postmrk`; did you mean postmark?",
        ),
        (
            SENDING, "sending: {routes: {through: [smtp, smtp-backup, smtpbackup]}}\n",
            f"{SENDING}:1:49: unknown-provider: there is no provider `smtpbackup`; {some(discovery.names('email'))}",
        ),
        (
            SENDING, "sending: {limits: {provider: stmp, limit: 1 per second}}\n",
            f"{SENDING}:1:30: unknown-provider: there is no provider `stmp`; did you mean smtp?",
        ),
        (
            PROMOTION, BUNDLE[PROMOTION].replace("crm: webhook", "crm: zzz"),
            f"{PROMOTION}:8:22: unknown-crm: there is no crm `zzz`; there is {CRMS}",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_found_where_it_stands(file: str, text: str, says: str) -> None:
    bundle = BUNDLE | {file: text}
    assert [str(problem) for problem in check(bundle, installed())] == [says]
    # Rules in force are compiled without: a worker goes on where an adapter was taken away.
    assert compile_rulebook(bundle)

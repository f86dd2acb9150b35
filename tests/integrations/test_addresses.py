"""One person in two spellings is one person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.addresses import dns, domain_of, normalised, one_spelling, spellings

WRITTEN, DNS = "ann@bücher.example", "ann@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("address", "people", "compared"),
    [
        ("Ann@Acme.TEST ", "ann@acme.test", "ann@acme.test"),
        ("ann@Bücher.example", WRITTEN, DNS),
        ("ann@XN--BCHER-KVA.example", WRITTEN, DNS),
        ("ann@straße.example", "ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@xn--strae-oqa.example", "ann@straße.example", "ann@xn--strae-oqa.example"),
        ("xn--ann@acme.test", "xn--ann@acme.test", "xn--ann@acme.test"),
        ("änn@acme.test", "änn@acme.test", "änn@acme.test"),
        ("ann@xn--nothing-.example", "ann@xn--nothing-.example", "ann@xn--nothing-.example"),
        ("ann@b ü.example", "ann@b ü.example", "ann@b ü.example"),
        ("nobody", "nobody", "nobody"),
        ("", "", ""),
    ],
)
def test_spellings(address: str, people: str, compared: str):
    assert (one_spelling(address), normalised(address)) == (people, compared)
    assert {people, compared} <= set(spellings(address))


def test_a_domain_is_that_of_the_address_as_dns_has_it():
    assert [domain_of(each) for each in (WRITTEN, DNS, None, "nobody")] == [dns("bücher.example")] * 2 + ["", "nobody"]


@given(st.text(max_size=30), st.text(alphabet=st.sampled_from("aéßxn-.öß日本"), max_size=20))
def test_the_one_spelling_of_a_spelling_is_itself_and_what_is_compared_is_the_same(name: str, domain: str):
    address = f"{name}@{domain}"
    once = one_spelling(address)
    assert one_spelling(once) == once
    assert normalised(once) == normalised(address)

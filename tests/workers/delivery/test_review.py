from __future__ import annotations

from typing import Any

import pytest

from workers.delivery.review import CLIPPED, Seen, review
from workers.delivery.templates import Templates
from workers.rulebook.sandbox import Fields

OUT = "https://go.acme.test/unsubscribe/x?a=1&b=2"
ADDRESS = "Acme & Co, Road 1, Town"
GOOD = "{{ account.address }} {{ unsubscribe_url }}"
LONG = "word " * 30


def found(text: str = GOOD, subject: str = "Three steps for today", category: str = "marketing", **files: str) -> Any:
    head = f"---\nsubject: {subject!r}\ncategory: {category}\n---\n"
    own = {f"a/mail.{suffix}": content for suffix, content in files.items()}
    templates = Templates({"a/mail.txt": head + text, **own})
    account = Fields("account", {"address": ADDRESS})
    rendered = templates.render("a", {"account": account, "unsubscribe_url": OUT, "lead": Fields("lead", {})})
    return list(review(Seen(templates.mail("a"), rendered, OUT, ADDRESS)))


def codes(*args: str, **files: str) -> list[str]:
    return [f"{each.file}:{each.line}:{each.column} {each.level} {each.code}" for each in found(*args, **files)]


def test_a_mail_as_it_should_be():
    assert codes(html=f"<p>{GOOD}</p><img src='https://a.test/x.png' alt='x'>{LONG}") == []


def test_marketing_mail_says_how_to_leave_and_who_sends_in_both_of_its_parts():
    assert codes("Hi") == [
        "templates/a/mail.txt:1:1 error no-unsubscribe-link",
        "templates/a/mail.txt:1:1 error no-postal-address",
    ]
    assert codes(html="<p>{{ account.address }}</p>") == ["templates/a/mail.html:1:1 error no-unsubscribe-link"]
    assert codes(html="<!-- {{ unsubscribe_url }} --><p style='display:none'>{{ account.address }}</p>x") == [
        "templates/a/mail.html:1:1 error no-unsubscribe-link",
        "templates/a/mail.html:1:1 error no-postal-address",
    ]
    assert codes("Hi", "Your bill", "transactional") == []


def test_the_way_out_and_the_address_may_come_from_a_layout_and_be_written_as_one_likes():
    mjml = (
        "<mjml><mj-body><mj-section><mj-column><mj-text>Acme &amp; Co<br>Road 1<br>Town "
        "<a href='{{ unsubscribe_url }}'>Leave</a></mj-text></mj-column></mj-section></mj-body></mjml>"
    )
    assert codes("", mjml=mjml) == []


def test_gmail_cuts_off_what_is_too_long():
    long = f"<p>{GOOD}</p><p>" + "x" * CLIPPED + "</p>"
    (problem,) = found(html=long)
    assert (problem.code, problem.level, problem.line, problem.column) == ("clipped", "warning", 2, 10)
    assert problem.text == "the HTML has 100 kB, and Gmail shows no more than 100 kB of a mail"


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("BUY NOW AND SAVE", "shouting"),
        ("Now!!", "exclamations"),
        ("Save! Today!", "exclamations"),
        ("RE: your order", "false-reply"),
        ("x" * 101, "long-subject"),
    ],
)
def test_subjects_that_filters_know(subject: str, code: str):
    assert codes(GOOD, subject) == [f"templates/a/mail.txt:2:10 warning {code}"]


@pytest.mark.parametrize("subject", ["KPI: 3 of 4", "NASA", "Really!", "Reply to Ann"])
def test_subjects_that_are_not_meant(subject: str):
    assert codes(GOOD, subject) == []


def test_a_subject_that_renders_to_nothing_is_a_mistake():
    assert codes(GOOD, "{{ '' }}") == ["templates/a/mail.txt:2:10 error empty-subject"]


def test_mails_that_sound_like_spam():
    assert codes(GOOD + " Now!!") == ["templates/a/mail.txt:1:1 warning exclamations"]
    assert codes(GOOD + "! One! Two! Three!") == ["templates/a/mail.txt:1:1 warning exclamations"]


def test_a_picture_alone_is_no_mail():
    picture = f"<a href='https://a.test'><img src='https://a.test/x.png' alt='Sale'></a> {GOOD}"
    assert codes(html=picture) == ["templates/a/mail.html:1:1 warning only-pictures"]

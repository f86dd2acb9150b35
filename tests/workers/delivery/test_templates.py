from __future__ import annotations

import time
from typing import Any

import pytest

from workers.delivery.templates import Fields, Templates
from workers.exceptions import RenderError
from workers.rulebook.sandbox import MOST_CHARACTERS

HEAD = "---\nsubject: Hello\ncategory: marketing\n---\n"


def render(text: str, lead: dict[str, Any] | None = None, *, head: str = HEAD, html: str | None = None):
    files = {"templates/a/mail.txt": head + text} | ({"templates/a/mail.html": html} if html else {})
    return Templates(files).render("a", {"lead": Fields("lead", lead or {})})


def test_text_html_and_subject_are_rendered_and_only_html_is_escaped():
    head = "---\nsubject: '{{ lead.name }} & co'\ncategory: transactional\nfrom: Ben <ben@acme.test>\n---\n"
    mail = render("Dear {{ lead.name }}", {"name": "<b>Ann</b>"}, head=head, html="<p>{{ lead.name }}</p>")
    assert mail.subject == "<b>Ann</b> & co"
    assert mail.text == "Dear <b>Ann</b>"
    assert mail.html == "<p>&lt;b&gt;Ann&lt;/b&gt;</p>"
    assert (mail.category, mail.sender) == ("transactional", "Ben <ben@acme.test>")


def test_what_a_stranger_wrote_is_never_run():
    assert render("{{ lead.name }}", {"name": "{{ 7 * 7 }}{% include 'x' %}"}).text == "{{ 7 * 7 }}{% include 'x' %}"


def test_no_line_break_gets_into_a_subject():
    head = "---\nsubject: 'Hi {{ lead.name }}'\ncategory: marketing\n---\n"
    subject = render("x", {"name": "Ann\r\nBcc: all@acme.test\x0b\u2028\x00!"}, head=head).subject
    assert subject == "Hi Ann Bcc: all@acme.test !"


def test_a_field_without_a_value_is_not_there():
    assert render('{{ lead.name | default("there") }}', {"name": None}).text == "there"
    assert render("{% if lead.name is defined %}yes{% else %}no{% endif %}").text == "no"


def test_a_field_may_be_called_like_a_method_of_a_mapping():
    assert render("{{ lead.items }} {{ lead.values }}", {"items": 3, "values": "v"}).text == "3 v"


def test_templates_share_parts():
    files = {"a/mail.txt": HEAD + "{% include 'footer.txt' %}", "footer.txt": "Bye {{ lead.name }}"}
    assert Templates(files).render("a", {"lead": Fields("lead", {"name": "Ann"})}).text == "Bye Ann"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n{{ lead.name }}", 'a/mail.txt, line 6: lead.name has no value here; write {{ lead.name | default("…") }}'),
        ("{{ nobody }}", "line 5: 'nobody' is undefined"),
        ("{{ lead.__class__.__mro__ }}", "line 5: "),
        ("{{ ''.__class__ }}", "unsafe"),
        ("{{ lead.tags.append(1) }}", "unsafe"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("x\n{% if %}", "a/mail.txt, line 6: Expected an expression"),
        ("{% include 'nothing.txt' %}", "nothing.txt"),
    ],
)
def test_a_mail_that_cannot_be_made_says_where_and_why(text: str, says: str):
    with pytest.raises(RenderError) as caught:
        render(text, {"tags": ["x"]})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
        "{% for i in lead.many %}{% for j in lead.many %}{% endfor %}{% endfor %}",
        "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro a(n) %}{% if n %}{{ a(n - 1) }}{{ a(n - 1) }}{% endif %}{% endmacro %}{{ a(60) }}",
        "{% include 'a/mail.txt' %}",
        "{{ 'x' * 1000000000 }}",
        "{{ [1] * 1000000000 }}",
        "{{ 10 ** 10 ** 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ range(90000) | join('xxxxxxxxxx') }}",
    ],
)
def test_a_template_that_loops_for_ever_or_grows_without_end_is_stopped(text: str):
    began = time.thread_time()
    with pytest.raises(RenderError):
        render(text, {"many": list(range(10_000))})
    assert time.thread_time() - began < 2


def test_a_long_mail_is_possible_and_a_huge_one_is_not():
    assert len(render("{{ lead.note }}", {"note": "x" * (MOST_CHARACTERS - 1)}).text) == MOST_CHARACTERS - 1
    with pytest.raises(RenderError, match="more than"):
        render("{{ lead.note }}{{ lead.note }}", {"note": "x" * (MOST_CHARACTERS - 1)})


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("", r"a/mail\.txt:1:1: no-front-matter"),
        ("---\nsubject: x\n---\n", "missing-key: the key `category` is missing"),
        ("---\nsubject: x\ncategory: spam\n---\n", r"a/mail\.txt:3:11: unknown-choice: .*transactional"),
        ("---\nsubject: [\n---\n", "yaml-syntax"),
        ("---\n- a\n---\n", "wants a mapping"),
        ("---\nsubject: x\nsubject: y\ncategory: marketing\n---\n", "duplicate-key"),
    ],
)
def test_front_matter_that_cannot_be_used_is_refused(head: str, says: str):
    with pytest.raises(RenderError, match=says):
        render("text", head=head)


def test_lines_of_dashes_are_front_matter_in_a_mail_txt_and_text_everywhere_else():
    html = "<p>one</p>\n---\n<p>two</p>\n---\n<p>three</p>"
    assert render("x", html=html).html == html
    assert render("one\n---\ntwo\n---\nthree").text == "one\n---\ntwo\n---\nthree"
    assert render("one", head=HEAD.replace("\n", "\r\n")).text == "one"


def test_what_would_stand_in_a_mail_as_program_text_is_no_text():
    with pytest.raises(RenderError, match=r"line 5: a list cannot stand in a mail as it is; .* join"):
        render("{{ lead.tags }}", {"tags": ["a", "b"]})
    assert render('{{ lead.tags | map("upper") | join(", ") }}', {"tags": ["a", "b"]}).text == "A, B"


def test_a_strangers_markup_is_escaped_wherever_it_goes():
    html = (
        '{% set x = lead.name ~ "!" %}{{ x }}{% macro m(y) %}<b>{{ y }}</b>{% endmacro %}{{ m(lead.name) }}'
        '{{ lead.name | replace("a", "<") }}{{ [lead.name, "<"] | join("<") }}{{ lead.name[:1] }}'
    )
    mail = render("{{ lead.name ~ 1 }}", {"name": "<a>"}, html=html)
    assert mail.text == "<a>1"
    assert mail.html == "&lt;a&gt;!<b>&lt;a&gt;</b>&lt;&lt;&gt;&lt;a&gt;&lt;&lt;&lt;"


def test_what_mails_need_is_there():
    text = """\
{%- set ns = namespace(total=0) -%}
{%- for n in lead.numbers if n is odd -%}
{% set ns.total = ns.total + n %}{{ loop.index }}:{{ n }}{{ ", " if not loop.last }}
{%- endfor %}

{{ ns.total }} {{ lead.numbers | sum }} {{ (lead.seats * 240 / 7) | round(2) }} {{ "%s" | replace("%s", "x") }}
{{ lead.email.split("@")[1] }} {{ lead.email[:3] | title }} {{ lead.note | trim | truncate(9) }} {{ "7" | int + 1 }}
{{ range(3) | list | length }} {{ 4 is divisibleby 2 }} {{ lead.numbers | sort | last }} {{ "a" in lead.email }}
{{ {"a": 1}.get("a") }} {{ lead.numbers | select("even") | list | length }} {{ 1 if lead.seats > 3 else 2 }}"""
    lead = {"numbers": [1, 2, 3], "seats": 40, "email": "ann@acme.test", "note": " a long note indeed "}
    assert render(text, lead).text.split("\n") == [
        "1:1, 2:3", "4 6 1371.43 x", "acme.test Ann a... 8", "3 True 3 True", "1 1 1",
    ]  # fmt: skip


def test_front_matter_is_text_whatever_yaml_would_make_of_it():
    assert render("x", head="---\nsubject: 010\ncategory: marketing\n---\n").subject == "010"


def test_a_template_that_is_not_there_is_named():
    with pytest.raises(RenderError, match=r"no templates/welcome/hello/mail\.txt"):
        Templates({}).render("welcome/hello", {})

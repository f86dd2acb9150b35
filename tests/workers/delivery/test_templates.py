from __future__ import annotations

import time
from typing import Any

import pytest

from workers.delivery.templates import Templates
from workers.exceptions import RenderError
from workers.rulebook.sandbox import MOST_CHARACTERS, Fields

HEAD = "---\nsubject: Hello\ncategory: marketing\n---\n"


PAGE = "<!DOCTYPE html><html><head></head><body>{}</body></html>"


def render(text: str, lead: dict[str, Any] | None = None, *, head: str = HEAD, html: str | None = None):
    files = {"templates/a/mail.txt": head + text} | ({"templates/a/mail.html": html} if html else {})
    return Templates(files).render("a", {"lead": Fields("lead", lead or {})})


def test_text_html_and_subject_are_rendered_and_only_html_is_escaped():
    head = "---\nsubject: '{{ lead.name }} & co'\ncategory: transactional\nfrom: Ben <ben@acme.test>\n---\n"
    mail = render("Dear {{ lead.name }}", {"name": "<b>Ann</b>"}, head=head, html="<p>{{ lead.name }}</p>")
    assert mail.subject == "<b>Ann</b> & co"
    assert mail.text == "Dear <b>Ann</b>"
    assert mail.html == PAGE.format("<p>&lt;b&gt;Ann&lt;/b&gt;</p>")
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
    assert render("x", html=html).html == PAGE.format(html)
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
    assert mail.html == PAGE.format("&lt;a&gt;!<b>&lt;a&gt;</b>&lt;&lt;&gt;&lt;a&gt;&lt;&lt;&lt;")


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


# ── layouts, preheaders, attachments, links ──────────────────────────────────────────────────────────────────

LETTER = {
    "layouts/letter/layout.html": """\
<!doctype html>
<html><head><title>{{ subject }}</title>
<style>p { margin: 0 } a { color: #0b6b5d } a:hover { color: red }</style></head>
<body>{% block content %}{% endblock %}<p>{% block why %}You wrote to us.{% endblock %}</p>
{% include "partials/foot.html" %}</body></html>""",
    "layouts/letter/layout.txt": "{% block content %}{% endblock %}\n\n-- \n{% block why %}Because.{% endblock %}",
    "layouts/letter/layout.mjml": """\
<mjml><mj-head><mj-title>{{ subject }}</mj-title></mj-head><mj-body>{% block content %}{% endblock %}
<mj-section><mj-column><mj-text>{% block why %}You wrote to us.{% endblock %}</mj-text></mj-column></mj-section>
</mj-body></mjml>""",
    "partials/foot.html": '<a href="{{ unsubscribe_url }}">Unsubscribe</a>',
}
IN_LETTER = (
    "---\nsubject: Hi {{ lead.name }}\ncategory: marketing\nlayout: letter\npreheader: Three & {{ lead.name }}\n---\n"
)
LINK = "https://go.acme.test/unsubscribe/x?a=1&b=2"


def letter(name: str = "Ann", **files: str):
    """A mail set into the layout `letter`; keyword arguments are its files, `_` for the dot in their names."""
    own = {f"a/{file.replace('_', '.')}": text for file, text in files.items()}
    templates = Templates({"a/mail.txt": IN_LETTER, **LETTER, **own}, "https://acme.test")
    return templates, templates.render("a", {"lead": Fields("lead", {"name": name}), "unsubscribe_url": LINK})


def test_a_mail_is_set_into_its_layout_and_its_blocks_into_those_of_the_layout():
    _, mail = letter(mail_html="<p>Dear {{ lead.name }}</p>{% block why %}You are {{ lead.name }}.{% endblock %}")
    assert '<p style="margin: 0;">Dear Ann</p><p style="margin: 0;">You are Ann.</p>' in (mail.html or "")
    assert "<title>Hi Ann</title>" in (mail.html or "")
    assert "a:hover { color: red; }" in (mail.html or "")
    assert mail.text == f"Dear Ann\n\nYou are Ann.\n\nUnsubscribe <{LINK}>\n"


def test_text_has_a_layout_of_its_own():
    _, mail = letter(mail_txt=IN_LETTER + "Dear {{ lead.name }}\n{% block why %}You know why.{% endblock %}")
    assert mail.text == "Dear Ann\n\n-- \nYou know why."
    assert mail.html is None


def test_the_preheader_comes_first_and_nobody_sees_it():
    _, mail = letter("<b>", mail_html="<p>Dear</p>")
    hidden = '<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">Three &amp; &lt;b&gt;</div><p'
    assert f"<body>{hidden}" in (mail.html or "")
    assert mail.preheader == "Three & <b>"
    assert "Three" not in mail.text


def test_a_page_that_shows_the_preheader_itself_gets_no_other():
    _, mail = letter(mail_html="<p>{{ preheader }}</p>")
    assert (mail.html or "").count("Three &amp; Ann") == 1


def test_mjml_becomes_html_once_and_values_come_later():
    body = """\
<mj-section><mj-column><mj-text>Dear {{ lead.name }}</mj-text>
{% for n in [1, 2] %}<mj-button href="/go?n={{ n }}">Go {{ n }}</mj-button>{% endfor %}
</mj-column></mj-section>"""
    templates, mail = letter("A & B", mail_mjml=body)
    page = templates.mail("a").page
    assert page is not None
    assert (page.late, page.mjml, page.text is not None) == ("", True, True)
    assert mail.html is not None
    assert "<mj-" not in mail.html
    assert "Dear A &amp; B" in mail.html
    assert mail.html.count('href="https://acme.test/go?n=') == 2
    assert "Three &amp; A &amp; B</div>" in mail.html
    assert "fonts.googleapis.com" not in mail.html
    assert mail.text == (
        "Dear A & B\n\nGo 1 <https://acme.test/go?n=1>\n\nGo 2 <https://acme.test/go?n=2>\n\nYou wrote to us.\n"
    )


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("{% if lead.name %}<p class=a>{% else %}<p>{% endif %}x</p>", "<p> begins in one branch"),
        ("{% if lead.name %}</p>{% endif %}", ""),
        ("<p>{% if lead.name %}</p>{% endif %}", "<p> begins in one branch"),
        ("<p {% if lead.name %}id='x'{% endif %}>x</p>", "outside of quotes"),
        ("{% macro m() %}<b>x</b>{% endmacro %}{{ m() }}", "it has a macro"),
        ("{% set x %}<b>x</b>{% endset %}{{ x }}", "it has a assignblock"),
        ("{% set x = 'partials/foot.html' %}{% include x %}", "known only when it is rendered"),
        ("<p class='{{ lead.name }}'>x</p>", "a class or id is a value"),
        ("<style>p + p { top: 0 }</style>{% if lead.name %}<p>x</p>{% endif %}<p>y</p>", "elements around"),
        ("<p>\u2e28</p>", "it holds the character"),
        ("{{ lead.name | e }}", "escapes"),
        ("<a href='{% if lead.name %}/x{% endif %}'>x</a>", "a link begins with a branch"),
    ],
)
def test_a_page_that_cannot_be_finished_before_there_are_values_is_finished_after(html: str, why: str):
    templates, mail = letter(mail_html=html)
    page = templates.mail("a").page
    assert page is not None
    assert why in page.late
    assert bool(page.late) == bool(why)
    assert '<p style="margin: 0;' in (mail.html or "")
    assert ">Three &amp; Ann</div>" in (mail.html or "")
    assert mail.text.endswith(f"Unsubscribe <{LINK}>\n")


@pytest.mark.parametrize("name", ["/p", "p", "https://acme.test/p", "//acme.test/p"])
def test_a_link_that_begins_with_a_value_is_made_whole_as_well(name: str):
    _, mail = letter(name, mail_html="<a href='{{ lead.name }}?a=1'>x</a>")
    assert 'href="https://acme.test/p?a=1"' in (mail.html or "")
    assert "x <https://acme.test/p?a=1>" in mail.text


def test_what_is_wrong_in_a_partial_is_told_of_the_partial():
    templates = Templates(
        {
            "a/mail.txt": IN_LETTER,
            "a/mail.html": "\n\n<p>Hi</p>\n",
            **LETTER,
            "partials/foot.html": "<p>\n{{ lead.nothing }}</p>",
        }
    )
    with pytest.raises(RenderError, match=r"^partials/foot\.html, line 2: lead\.nothing has no value here"):
        templates.render("a", {"lead": Fields("lead", {"name": "Ann"}), "unsubscribe_url": LINK})


def test_mjml_that_is_none_is_told_with_its_line():
    with pytest.raises(RenderError, match=r"^a/mail\.mjml, line 3: this is no MJML"):
        letter(mail_mjml="<mj-section><mj-column>\n<mj-text>{{ lead.name }}\n<b>x</mj-text></mj-column></mj-section>")


def test_styles_that_are_none_are_told():
    with pytest.raises(RenderError, match="a style cannot be read"):
        letter(mail_html='<p style="oops">x</p>')


def test_files_go_with_the_mail():
    head = "---\nsubject: x\ncategory: transactional\nattachments: agenda.ics\n---\nx"
    files = {"a/mail.txt": head, "a/agenda.ics": "data:;base64,QkVHSU46"}
    (file,) = Templates(files).render("a", {}).files
    assert (file.name, file.type, file.content) == ("agenda.ics", "text/calendar", b"BEGIN:")
    with pytest.raises(RenderError, match=r"no file templates/a/agenda\.ics"):
        Templates({"a/mail.txt": head}).render("a", {})


@pytest.mark.parametrize("address", ["javascript:alert(1)", " data:text/html,x", "VBScript:x"])
def test_a_link_that_a_strangers_value_made_is_not_sent(address: str):
    with pytest.raises(RenderError, match=r"^a/mail\.html: a mail cannot link to"):
        letter(address, mail_html='<a href="{{ lead.name }}">x</a>')

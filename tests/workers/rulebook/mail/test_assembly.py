"""That working on a page before there are values gives the mail that working on it afterwards gives."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from workers.rulebook.mail.compiled import Page, Script, compile_page, environment_of
from workers.rulebook.mail.styling import finished

STYLES = """\
<style>
 p { margin: 0 } .a { color: red } div p { top: 1px } ul > li { left: 2px } #b { right: 3px } a { color: {{ colour }} }
 a:hover { color: blue } @media (max-width: 600px) { .a { padding: 0 } }
</style>"""
VALUES: dict[str, Any] = {
    "yes": True,
    "no": False,
    "many": ["one", "<two>"],
    "name": "Ann & <Bob>",
    "colour": "#111",
    "place": "/p",
}


def wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Markup around markup; what Jinja2 begins in it, it ends in it."""
    several = st.lists(inner, min_size=1, max_size=3).map("".join)
    return st.one_of(
        st.builds("<p>{}</p>".format, several),
        st.builds("<div class='a'>{}</div>".format, several),
        st.builds("<a href='/x?n={{{{ name | urlencode }}}}'>{}</a>".format, several),
        st.builds(
            "<ul>{{% for each in many %}}<li>{{{{ each }}}}{}</li>{{% else %}}none{{% endfor %}}</ul>".format, several
        ),
        st.builds("{{% if yes %}}{}{{% else %}}{}{{% endif %}}".format, several, several),
        st.builds("{{% if no %}}{}{{% elif name == 'x' %}}b{{% elif yes %}}{}{{% endif %}}".format, several, several),
        st.builds("{{% set x = 'v' %}}{}{{{{ x }}}}".format, several),
        st.builds("<a href='{{{{ place }}}}?x={{{{ name | urlencode }}}}'>{}</a>".format, several),
        st.builds("{{% with y = name %}}{}{{{{ y }}}}{{% endwith %}}".format, several),
        st.builds("<table><tr>{{% if yes %}}<td>{}</td>{{% endif %}}</tr></table>".format, several),
    )


LEAVES = st.sampled_from([
    "word ", "{{ name }}", "<br>", "&nbsp;", "<img src='/i.png' alt='{{ name }}'>", "<b id='b'>x</b>", "<!-- note -->",
    "\n",
    "<!--[if mso]>{% if yes %}<i>x</i>{% endif %}<![endif]-->", "<i title='{% if yes %}a{% else %}b{% endif %}'>t</i>",
    "{% include 'partials/p.html' %}",
])  # fmt: skip
BODIES = st.recursive(LEAVES, wrapped, max_leaves=12)


def late(path: str, files: dict[str, str]) -> Page:
    return Page(Script(environment_of(files).get_template(path)), None, "to compare", path.endswith(".mjml"), False)


def normal(html: str) -> str:
    """The body, as a browser's parser understands it. The head may style what is not there."""
    html = html.partition("<body")[2]
    return re.sub(r"\s*\n\s*", "\n", finished(html, mjml=False, preheader="", site="")).replace("&#39;", "'")


def compared(path: str, files: dict[str, str]) -> tuple[str, str, str, str]:
    page = compile_page(environment_of(files, "https://a.test"), path, "https://a.test", preheader=True)
    assume(not page.late)
    values = VALUES | {"preheader": Markup.escape(VALUES["name"])}
    after = late(path, files)
    one = page.render(values, Markup.escape(VALUES["name"]), "https://a.test")
    other = after.render(values, Markup.escape(VALUES["name"]), "https://a.test")
    return one, other, page.plain(values, one), after.plain(values, other)


@settings(max_examples=40, deadline=None)
@given(BODIES)
def test_html_before_and_after_is_the_same(body: str) -> None:
    files = {
        "a/mail.html": f"<html><head>{STYLES}</head><body>{body}</body></html>",
        "partials/p.html": "{% set x = 1 %}<p>{{ x }} {{ name }}</p>",
    }
    one, other, text, other_text = compared("a/mail.html", files)
    assert normal(one) == normal(other)
    assert "".join(text.split()) == "".join(other_text.split())


def section(inner: str) -> str:
    return f"<mj-section><mj-column>{inner}</mj-column></mj-section>"


CELLS = "<mj-table><tr>{% for n in many %}<td>{{ n }}</td>{% endfor %}</tr></mj-table>"
SECTIONS = st.lists(
    st.sampled_from(
        [
            section("<mj-text>Hi {{ name }}</mj-text>"),
            "{% if yes %}" + section("<mj-text>y</mj-text>") + "{% endif %}",
            "{% if no %}" + section("<mj-text>n</mj-text>") + "{% endif %}",
            section("{% for n in many %}<mj-button href='/{{ n }}'>{{ n }}</mj-button>{% endfor %}"),
            "<mj-wrapper>{% if yes %}" + section(CELLS) + "{% endif %}</mj-wrapper>",
            section("<mj-image src='/i.png' alt='{{ name }} \u00a0\u0301'/>"),
        ]
    ),
    min_size=1,
    max_size=4,
).map("\n".join)


@settings(max_examples=40, deadline=None)
@given(SECTIONS)
def test_mjml_before_and_after_is_the_same(sections: str) -> None:
    head = "<mj-head><mj-title>{{ name }}</mj-title></mj-head>"
    files = {"a/mail.mjml": f"<mjml>{head}<mj-body>{sections}</mj-body></mjml>"}
    one, other, text, other_text = compared("a/mail.mjml", files)
    assert normal(one) == normal(other)
    assert "".join(text.split()) == "".join(other_text.split())

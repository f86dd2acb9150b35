"""Templates that would stop a worker if anything ran as Jinja2 runs it. Run as a program, because what a mistake here
does is to eat the machine: each goes the way of a real one, from `check` to the mail, and the verdict is written out.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from pathlib import Path
from typing import Final

from tests.workers.rulebook.base import BASE
from workers.delivery.compose import Composer, Links
from workers.exceptions import RenderError
from workers.rulebook import check, compile_rulebook

MEMORY: Final = 1_000_000_000
"""Bytes of address space that the program may have, and about 300 MB of it is the program itself."""
SECONDS: Final = 100
"""Of processor time."""
LEAD: Final = {"email": "ann@acme.test", "first_name": "<" * 20_000 + "Ann" * 20_000}

HEAD: Final = "---\nsubject: Hi\ncategory: marketing\n---\n"
MANY_OF_ITSELF: Final = "{% set ns = namespace() %}{% set ns.x = ns %}{{ [" + "ns, " * 500 + "ns] "
DOUBLED: Final = "{% set x = x ~ x %}"
TWO_NESTED: Final = "{% set x = [1] %}{% set y = [1] %}" + "{% set x = [x, x] %}{% set y = [y, y] %}" * 60

BOMBS: Final = {
    # filters that multiply
    "batch": "{{ [1] | batch(1000000000, 1) | list }}",
    "slice": "{{ [1] | slice(1000000000) | list }}",
    "tojson": "{{ [1] | tojson(indent=1000000000) }}",
    "center": "{{ 'x' | center(1000000000) }}",
    "indent": "{{ 'x\nx' | indent(1000000000) }}",
    "format": "{{ '%1000000000d' | format(1) }}",
    "xmlattr": "{{ {'a': 'x'} | xmlattr }}",
    "lipsum": "{{ lipsum(n=100000, min=1000, max=2000) }}",
    "round": "{{ 1 | round(-1000000000) }}",
    "round-of-a-field": "{{ lead.email | round(12, 'ceil') }}",
    "round-text": "{{ 'x' | round(10, 'ceil') }}",
    "replace": "{{ 'x' " + "| replace('x', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') " * 6 + "}}",
    "replace-field": "{{ lead.email " + "| replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') " * 6 + "}}",
    "replace-nothing": "{{ 'x' " + "| replace('', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx') " * 7 + "}}",
    "join": "{{ range(90000) | join(range(90000) | join('xxxxxxxxxx')) }}",
    "sum-of-lists": "{{ range(90000) | map('list') | sum(start=[]) }}",
    "sort-by-a-long-path": MANY_OF_ITSELF + "| sort(attribute='" + "x." * 50_000 + "x') | length }}",
    "max-by-a-long-path": MANY_OF_ITSELF + "| max(false, '" + "x." * 50_000 + "x') }}",
    "map-a-long-path": MANY_OF_ITSELF + "| map(attribute='" + "x." * 50_000 + "x') | list | length }}",
    "map": "{{ range(90000) | map('replace', '0', 'x' ~ lead.first_name) | list | length }}",
    "trim": "{% for i in range(9000) %}{% set x = lead.first_name | trim(lead.first_name) %}{% endfor %}",
    # tests that calculate
    "divisibleby": "{{ '%1000000000d' is divisibleby 1 }}",
    "even": "{{ '%1000000000d' is even }}",
    "odd": "{{ '%1000000000d' is odd }}",
    "select": "{{ ['%1000000000d'] | select('odd') | list }}",
    # operators
    "times": "{{ 'x' * 1000000000 }}",
    "times-a-list": "{{ [1] * 1000000000 }}",
    "power": "{{ 10 ** 1000000000 }}",
    "powers": "{{ 10 ** 10 ** 10 ** 10 ** 10 }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "large-numbers": "{% set ns = namespace(x=9) %}{% for i in range(9000) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "a-large-number": "{{ '" + "9" * 4000 + "' | int * 2 }}",
    "a-literal": "{{ " + "9" * 5000 + " }}",
    "a-hexadecimal-literal": "{{ 0x" + "f" * 100_000 + " // 3 }}",
    # growth by doubling
    "tilde": "{% set x = 'xxxxxxxxxx' %}" + DOUBLED * 40 + "{{ x | length }}",
    "tilde-of-a-field": "{% set x = lead.email %}" + DOUBLED * 40 + "{{ x | length }}",
    "plus": "{% set x = 'xxxxxxxxxx' %}" + "{% set x = x + x %}" * 40 + "{{ x | length }}",
    "plus-of-lists": "{% set x = [1] %}" + "{% set x = x + x %}" * 40 + "{{ x | length }}",
    "namespace": "{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "set-block": "{% set x = 'xxxxxxxxxx' %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 40 + "{{ x | length }}",
    "macro": "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}{% set x = 'x' %}" + "{% set x = m(x) %}" * 40,
    "macro-of-text": "{% macro m() %}{% for i in range(9000) %}" + "x" * 50_000 + "{% endfor %}{% endmacro %}"
    "{% set x = m() %}",
    "call-block": "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call m() %}" * 18 + "x" + "{% endcall %}" * 18,
    "filter-block": "{% filter upper %}{% for i in range(9000) %}" + "x" * 50_000 + "{% endfor %}{% endfilter %}",
    # lists that hold themselves twice
    "print-nested": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "string-of-nested": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x | string }}",
    "compare-nested": TWO_NESTED + "{{ x == y }}",
    "sort-nested": TWO_NESTED + "{{ [x, y] | sort | length }}",
    "hash-nested": "{% set x = (1,) %}" + "{% set x = (x, x) %}" * 60 + "{{ {x: 1} | length }}",
    "find-nested": "{% set x = (1,) %}" + "{% set x = (x, x) %}" * 60 + "{{ {}[x] }}",
    # methods
    "ljust": "{{ 'x'.ljust(1000000000) }}",
    "zfill": "{{ 'x'.zfill(1000000000) }}",
    "expandtabs": "{{ '\t'.expandtabs(1000000000) }}",
    "str-format": "{{ '{:1000000000}'.format(1) }}",
    "str-join": "{{ lead.first_name.join(range(90000) | map('string')) }}",
    "str-replace": "{{ 'x'.replace('', lead.first_name).replace('x', lead.first_name) }}",
    "to-bytes": "{{ (1).to_bytes(1000000000, 'big') }}",
    "strip": "{% for i in range(9000) %}{{ lead.first_name.strip(lead.first_name) }}{% endfor %}",
    # time
    "loops": "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
    "a-long-body": "{% for i in range(90000) %}" + "{% set a = 1 %}" * 3000 + "{% endfor %}",
    "a-long-macro": "{% macro m() %}" + "{% set a = 1 %}" * 3000 + "{% endmacro %}"
    "{% for i in range(90000) %}{{ m() }}{% endfor %}",
    "a-filtered-loop": "{% for i in range(90000) if i in range(90000) | list %}{% endfor %}",
    "many-arguments": "{% macro m() %}{{ varargs | length }}{% endmacro %}"
    "{% for i in range(9000) %}{{ m(*range(90000)) }}{% endfor %}",
    "slices": "{% for i in range(90000) %}{% set x = lead.first_name[1:] %}{% endfor %}",
    "find": "{% for i in range(90000) %}{% set x = 'Z' in lead.first_name %}{% endfor %}",
    "recursion": "{% macro a(n) %}{% if n %}{{ a(n - 1) }}{{ a(n - 1) }}{% endif %}{% endmacro %}{{ a(60) }}",
    "endless-recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "recursive-loop": "{% for i in [1] recursive %}{{ loop([1]) }}{{ loop([1]) }}{% endfor %}",
    "include-itself": "{% include 'welcome/hello/mail.txt' %}",
    "autoescape": "{% autoescape [1] | batch(1000000000, 1) | list %}{% endautoescape %}",
    "hidden-in-an-if": "{% if lead.first_name %}{{ [1] | batch(1000000000, 1) | list }}{% endif %}",
    "deep": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
}  # fmt: skip
PARTS: Final = 28
CHAIN: Final = {f"templates/part{n}.txt": f"{{% include 'part{n + 1}.txt' %}}" * 2 for n in range(PARTS)} | {
    f"templates/part{PARTS}.txt": ""
}
"""Each includes the next twice: without loops, calls or any text."""
BLOCKS: Final = {
    f"templates/block{n}.txt": f"{{% extends 'block{n + 1}.txt' %}}"
    "{% block b %}{{ super() }}{{ super() }}{% endblock %}"
    for n in range(PARTS)
} | {f"templates/block{PARTS}.txt": "{% block b %}x{% endblock %}"}
IN_HTML: Final = ("replace", "join", "tilde", "plus", "set-block", "macro", "macro-of-text", "print-nested")
"""Where escaping has a part in what is done."""


MARKUP: Final = {
    "deep": "<div>" * 90_000,
    "deep-by-a-loop": "{% for i in range(50000) %}<div>{% endfor %}",
    "tables": "<table>" * 60_000,
    "formatting": "<a><p>" * 50_000,
    "styles": "<style>" + "* { --a: 1 } " * 30_000 + "</style>" + "<p>x</p>" * 10_000,
    "styles-by-a-loop": "<style>{% for i in range(2000) %}* { --a{{ i }}: 1 }{% endfor %}</style>" + "<p>x</p>" * 2000,
    "marks": "<!--\u2e281\u2e29--><b>\u2e289999\u2e29" * 10_000,
}
"""HTML that is no trouble to Jinja2, and would be to what works on it afterwards."""
COMPONENTS: Final = {
    "deep": "<mjml><mj-body>" + "<mj-wrapper>" * 15_000 + "</mj-wrapper>" * 15_000 + "</mj-body></mjml>",
    "deep-text": "<mjml><mj-body><mj-section><mj-column><mj-text>" + "<b>" * 30_000 + "</mj-text>",
    "include": "<mjml><mj-body><mj-include path='/etc/passwd' /></mj-body></mjml>",
}
SET_INTO_ITSELF: Final = HEAD.replace("category", "layout: welcome\ncategory")


def bundles() -> dict[str, dict[str, str]]:
    """Every bomb in a mail that a campaign sends."""
    path = "templates/welcome/hello/mail"
    found = {}
    for name, text in MARKUP.items():
        found[f"{name} of html"] = {**BASE, f"{path}.txt": HEAD, f"{path}.html": text}
    for name, text in COMPONENTS.items():
        without = {file: content for file, content in BASE.items() if file != f"{path}.html"}
        found[f"{name} of mjml"] = {**without, f"{path}.txt": HEAD, f"{path}.mjml": text}
    layout = {"templates/layouts/welcome/layout.txt": "{% extends 'layouts/welcome/layout.txt' %}"}
    found["a layout in itself"] = {**BASE, **layout, f"{path}.txt": SET_INTO_ITSELF + "Hi"}
    pages = {name.replace(".txt", ".html"): text.replace(".txt", ".html") for name, text in CHAIN.items()}
    found["includes of html"] = {**BASE, **pages, f"{path}.txt": HEAD, f"{path}.html": "{% include 'part0.html' %}"}
    for name, text in BOMBS.items():
        found[name] = {**BASE, f"{path}.txt": HEAD + text}
        if name in IN_HTML:
            found[f"{name} in html"] = {**BASE, f"{path}.txt": HEAD + "Hi", f"{path}.html": text}
    found["includes"] = {**BASE, **CHAIN, f"{path}.txt": HEAD + "{% include 'part0.txt' %}"}
    found["supers"] = {**BASE, **BLOCKS, f"{path}.txt": HEAD + "{% include 'block0.txt' %}"}
    found["subject"] = {**BASE, f"{path}.txt": HEAD.replace("Hi", "\"{{ 'x' * 1000000000 }}\"") + "Hi"}
    return found


def verdict(bundle: dict[str, str]) -> str:
    """`refused` by check, `stopped` while it is rendered, or how many characters it made."""
    if check(bundle):
        return "refused"
    composer = Composer(compile_rulebook(bundle), Links("https://go.acme.test", "s" * 32))
    try:
        mail = composer.compose("mail:1:welcome:1:hello", 1, "welcome/hello", LEAD)
    except RenderError:
        return "stopped"
    return str(len(mail.text) + len(mail.html or ""))


def main() -> None:
    """Try them all within the bounds of a container, and write what became of each, and its seconds, as JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for name, bundle in bundles().items():
        began = time.process_time()
        found = verdict(bundle)
        line = {"name": name, "verdict": found, "seconds": time.process_time() - began}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    sys.stdout.write(json.dumps({"name": "memory", "verdict": str(peak()), "seconds": 0}) + "\n")


def peak() -> int:
    """The most bytes that were in memory. Linux hands a parent's `ru_maxrss` on to its child, so look into /proc."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()

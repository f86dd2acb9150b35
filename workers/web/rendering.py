"""HTML pages from the templates in `html/`, with the headers that every page has."""

from __future__ import annotations

import base64
import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workers.web.problems import Problem

HTML: Final = Path(__file__).parent / "html"
STYLE: Final = (HTML / "style.css").read_text()
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
SECURITY: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-robots-tag": "noindex",
}
"""Of every page: no script, no framing, no address passed on, nothing kept or indexed."""

_templates: Final = Environment(
    loader=FileSystemLoader(HTML), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_templates.globals["style"] = STYLE


def page(
    template: str, code: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None, /, **values: Any
) -> Response:
    """A page made of a template."""
    return HTMLResponse(_templates.get_template(template).render(values), code, {**SECURITY, **(headers or {})})


def message(code: int, title: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """A page that says one thing."""
    return page("message.html", code, headers, title=title, text=text)


def problem_response(problem: Problem) -> Response:
    """A problem where Starlette answers."""
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return Response(problem.body(), problem.status, SECURITY | headers, "application/problem+json")

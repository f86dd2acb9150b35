"""A vendor's own client and our adapter make the same call: what both of them say has to be the same.

Each talks to a loopback server that consents and keeps the request. What only one of them sends (a user agent, a
default written out) is its own business.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from integrations.contracts import BatchProvider
from tests.contract.scripted import Http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest import MonkeyPatch  # noqa: PT013  (a name for the type checker)

    from integrations.contracts import EmailProvider, Mail


@contextmanager
def recorder(**consent: Any) -> Iterator[Http]:
    """A server that answers everything with this step of `scripted.Http`."""
    with Http(steps=[consent]) as server:
        yield server


def send(adapter: EmailProvider, *mails: Mail) -> None:
    """Send by an adapter that is closed afterwards; several mails in one call."""
    try:
        if len(mails) == 1:
            adapter.send(mails[0])
        else:
            assert isinstance(adapter, BatchProvider)
            adapter.send_many(mails)
    finally:
        adapter.close()


def url(server: Http) -> str:
    return f"http://127.0.0.1:{server.port}"


def no_proxies(monkeypatch: MonkeyPatch) -> None:
    """Vendors' clients look into the environment for a proxy; the loopback server is behind none."""
    for name in [each for each in os.environ if each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def assert_same(
    ours: dict[str, Any],
    theirs: dict[str, Any],
    *,
    headers: tuple[str, ...] = ("authorization",),
    only_ours: frozenset[str] = frozenset(),
) -> None:
    """The same method, path, query and credentials, and a body of which theirs has every member, with equal values.

    `only_ours` are the members that their client has no word for.
    """
    assert ours["method"] == theirs["method"]
    (ours_at, theirs_at) = (urlsplit(each["path"]) for each in (ours, theirs))
    assert ours_at.path == theirs_at.path
    assert parse_qs(ours_at.query) == parse_qs(theirs_at.query)
    for name in headers:
        assert ours["headers"][name] == theirs["headers"][name], name
    assert ours["json"]
    assert set(_differences(ours["json"], theirs["json"])) == only_ours


def _differences(ours: Any, theirs: Any, where: str = "") -> Iterator[str]:
    """Members of `ours` that are missing in `theirs`; those that both have must be equal."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from _differences(value, theirs[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(ours, list) and isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(a, b, f"{where}[{place}]")
    else:
        assert ours == theirs, where


def form(request: dict[str, Any]) -> dict[str, list[bytes]]:
    """The fields of a multipart form."""
    boundary = re.search(r'boundary="?([^";]+)', request["headers"]["content-type"])
    assert boundary
    fields: dict[str, list[bytes]] = {}
    for part in request["body"].split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]+)"', head)
        assert name
        fields.setdefault(name[1].decode(), []).append(content)
    return fields

"""Cases of what a server does and what an adapter has to make of it: `tests/fixtures/<kind>/<adapter>/cases.yaml`.

`settings` are fields of the adapter; `{host}`, `{port}`, `{url}` and `{folder}` stand for the server of the case.
A case has a `server` (`http: [steps]`, `smtp: {replies}`, `refuse: true`; see `scripted.py`), its own `settings`,
`call` (`send`, or `find`, which may also expect `missing: null`), and
`expect`: `accepted: <pattern>`, `rejected: <code>`, `unavailable: <seconds to wait, or null>`, or `unknown: null`.

A file with `consent` (a step of the `http` server) and `ref` (a pattern) is of an HTTP API that has no keys: what all
of them may do is then tried by itself (`STANDARD`).
"""

from __future__ import annotations

import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from integrations import discovery
from integrations.contracts import Mail, Message, Person, Promotion
from integrations.exceptions import Rejected, Unavailable, Unknown
from tests.contract.scripted import Http, Smtp, nobody_listens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from integrations.contracts import Accepted

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"
OUTCOMES: Final = frozenset({"accepted", "rejected", "unavailable", "unknown"})

MAIL: Final = Mail(
    key="mail:17:welcome:1:hello",
    sender="Nora at Northwind <nora@northwind.example>",
    to="ann@acme.test",
    subject="Grüße aus Berlin",
    text="Hello Ann,\n.\nthis is it.\n",
    html="<p>Hello Ann</p>",
    message_id="d41d8cd98f@northwind.example",
    headers={"List-Unsubscribe": "<https://northwind.example/u/1>"},
)
PROMOTION: Final = Promotion(
    key="promotion:17:1",
    person=Person("ann@acme.test", first_name="Ann", last_name="Lee", title="VP Operations", company="Acme"),
    name="Acme: analytics",
    pipeline="default",
    stage="qualifiedtobuy",
    amount=Decimal("9600.00"),
    currency="EUR",
    close_on=date(2026, 10, 22),
    owner="ana@northwind.example",
    note="Asked for a demo on 7 September.",
)
MESSAGE: Final = Message(
    key="hook:17:trial:1:webhook-signed",
    payload={
        "type": "trial.stalled",
        "timestamp": "2026-09-07T10:00:00+00:00",
        "data": {"campaign": "trial", "lead": {"id": 17, "email": "ann@acme.test", "seats": None}},
    },
)
"""What goes out in most cases: a mail, an opportunity, a webhook."""
CONSENT: Final = "consent"
PAGE: Final = {"Content-Type": "text/html"}
STANDARD: Final[list[tuple[str, Any, dict[str, Any]]]] = [
    ("nobody listens", None, {"unavailable": None}),
    ("hangs up with the request read", {"drop": "reading"}, {"unknown": None}),
    ("takes it and hangs up while answering", {CONSENT: True, "drop": "answering"}, {"unknown": None}),
    ("takes it and never answers", {"silent": True}, {"unknown": None}),
    ("answers 500", {"status": 500, "body": "oops"}, {"unknown": None}),
    ("answers 502, with a page", {"status": 502, "body": "<html>", "headers": PAGE}, {"unknown": None}),
    ("answers 504", {"status": 504}, {"unknown": None}),
    ("is another service, which says 200", {"status": 200, "body": "<html>", "headers": PAGE}, {"unknown": None}),
    ("has had too many requests", {"status": 429, "headers": {"Retry-After": "7"}}, {"unavailable": 7.0}),
    ("has had too many requests, and does not say how long", {"status": 429}, {"unavailable": 10.0}),
    ("refuses the token", {"status": 401}, {"unavailable": 600.0}),
    ("has no such address of its API", {"status": 404}, {"unavailable": 600.0}),
    ("has moved", {"status": 301, "headers": {"Location": "https://elsewhere.test"}}, {"unavailable": 600.0}),
    ("did not get it whole", {"status": 408}, {"unavailable": None}),
    ("refuses it without a word", {"status": 400, "body": ""}, {"rejected": 400}),
    ("finds it too large", {"status": 413, "body": ""}, {"rejected": 413}),
]
"""What every HTTP API may do: its name, the server's step, and the outcome."""


@dataclass(frozen=True)
class Case:
    """One behaviour of the other side."""

    kind: Any
    adapter: str
    name: str
    settings: dict[str, str]
    server: dict[str, Any]
    expect: dict[str, Any]
    requests: list[dict[str, Any]] = field(default_factory=list)
    mail: dict[str, Any] = field(default_factory=dict)
    call: str = "send"

    def __str__(self) -> str:
        return f"{self.adapter}: {self.name}"


def cases(kind: discovery.Kind, adapter: str) -> list[Case]:
    """All cases of an adapter."""
    path = FIXTURES / kind / adapter / "cases.yaml"
    if not path.exists():
        return []
    content = yaml.safe_load(path.read_text())
    written = [
        Case(
            kind,
            adapter,
            case.pop("name"),
            {**content["settings"], **case.pop("settings", {})},
            case.pop("server", {}),
            **case,
        )
        for case in content["cases"]
    ]
    return written + _standard(kind, adapter, content)


def _standard(kind: discovery.Kind, adapter: str, content: dict[str, Any]) -> list[Case]:
    """The cases of every HTTP API, if this is one."""
    consent, settings = content.get(CONSENT), content["settings"]
    if consent is None:
        return []
    found = [Case(kind, adapter, "takes it", settings, {"http": [consent]}, {"accepted": content["ref"]})]
    for name, step, expect in STANDARD:
        server = {"refuse": True} if step is None else {"http": [{**(consent if CONSENT in step else {}), **step}]}
        quick = {"read_timeout": "0.3"} if step and step.get("silent") else {}
        found.append(Case(kind, adapter, name, {**settings, **quick}, server, expect))
    return found


@contextmanager
def staged(case: Case, folder: Path) -> Iterator[tuple[Any, Any]]:
    """The adapter of a case, made from settings as they come from the environment, and the server it talks to."""
    with _server(case) as server:
        port = server.port if server else nobody_listens()
        places = {"host": "127.0.0.1", "port": str(port), "url": f"http://127.0.0.1:{port}", "folder": str(folder)}
        values = {
            discovery.variable("case", name): str(value).format_map(places) for name, value in case.settings.items()
        }
        adapter = discovery.build(case.kind, case.adapter, "case", values)
        try:
            yield adapter, server
        finally:
            adapter.close()


def _server(case: Case) -> AbstractContextManager[Any]:
    if "http" in case.server:
        return Http(steps=case.server["http"])
    if "smtp" in case.server:
        return Smtp(replies=case.server["smtp"])
    return nullcontext()


def outcome(call: Callable[[], Accepted | None]) -> tuple[str, Any]:
    """What became of a call, in the words of `expect`."""
    try:
        accepted = call()
    except Rejected as error:
        return "rejected", error.code
    except Unavailable as error:
        return "unavailable", None if error.retry_after is None else error.retry_after.total_seconds()
    except Unknown:
        return "unknown", None
    return ("missing", None) if accepted is None else ("accepted", accepted.ref)


def check(found: tuple[str, Any], expect: dict[str, Any]) -> None:
    """Compare an outcome with what was expected."""
    ((word, detail),) = expect.items()
    assert found[0] == word, found
    if word == "accepted":
        assert re.fullmatch(str(detail), found[1]), found
    else:
        assert found[1] == (str(detail) if word == "rejected" else detail), found


def missing_outcomes(kind: discovery.Kind, adapter: str) -> set[str]:
    """Outcomes that the cases of an adapter do not show; one without a server has only to accept."""
    found = cases(kind, adapter)
    wanted = OUTCOMES if any(case.server for case in found) else {"accepted"}
    return set(wanted) - {word for case in found for word in case.expect}

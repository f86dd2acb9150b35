"""Recorded deliveries: `tests/fixtures/sources/<adapter>/<case>.body`, and beside it what it must become.

The `.yaml` of a case holds `settings` (fields of the adapter), `options` (as in a rule file), `headers` (those that
the check looks at), `received_at` and `expect`: a list of events, `{unreadable: reason}` or `{ignored: reason}`, in
order. Beside these it may have:

- `proof`: what the sender's signature is over: `body` (the default), `parts` (some of it, as named in `forged`), or
  `sender` (it is a password, and the body is believed);
- `forged`: pairs of texts in the body; with the first replaced by the second, the delivery must be refused;
- `form`: the body is a form, and its field of this name holds the JSON;
- `content_type`: of the body, where it is not told by the body itself;
- `inside`: the event itself is JSON in a text, which is this member of the body;
- `url`: what was posted to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import orjson
import yaml
from urllib3.filepost import encode_multipart_formdata

from integrations import discovery
from integrations.contracts import Ignored, Incoming, Request, Unreadable
from integrations.forms import fields

if TYPE_CHECKING:
    from collections.abc import Iterable

    from integrations.contracts import Source

FIXTURES: Final = Path(__file__).parents[1] / "fixtures"


@dataclass(frozen=True)
class Recorded:
    """One recorded delivery."""

    adapter: str
    name: str
    source: Source
    request: Request
    expect: list[dict[str, Any]]
    proof: str = "body"
    forged: tuple[tuple[str, str], ...] = ()
    form: str = ""
    inside: str = ""
    checked: tuple[str, ...] = ()

    @property
    def whole(self) -> Any:
        """The JSON in the body."""
        return orjson.loads(fields(self.request)[self.form] if self.form else self.request.body)

    @property
    def document(self) -> Any:
        """The JSON that holds the event."""
        return orjson.loads(self.whole[self.inside]) if self.inside else self.whole

    def saying(self, document: bytes) -> Request:
        """The same delivery with another document in it, which need not be JSON."""
        if self.inside:
            document = orjson.dumps({**self.whole, self.inside: document.decode(errors="replace")})
        if self.form:
            given, kind = {**fields(self.request), self.form: document}, self.request.headers.get("content-type", "")
            boundary = kind.partition("boundary=")[2]
            body = encode_multipart_formdata(given, boundary)[0] if boundary else urlencode(given).encode()
            return replace(self.request, body=body)
        return replace(self.request, body=document)

    def __str__(self) -> str:
        return f"{self.adapter}/{self.name}"


def recorded(adapter: str) -> list[Recorded]:
    """All recorded deliveries of an adapter."""
    return [_load(adapter, path) for path in sorted((FIXTURES / "sources" / adapter).glob("*.yaml"))]


def _load(adapter: str, path: Path) -> Recorded:
    case = yaml.safe_load(path.read_text())
    values = {discovery.variable("case", name): value for name, value in case["settings"].items()}
    request = Request(
        method="POST",
        url=case.get("url", f"https://dripline.test/hooks/{adapter}"),
        headers={**case["headers"], **({"content-type": case["content_type"]} if "content_type" in case else {})},
        body=path.with_suffix(".body").read_bytes(),
        received_at=datetime.fromisoformat(case["received_at"]),
    )
    source = discovery.build("sources", adapter, "case", values, options=case.get("options", {}))
    return Recorded(
        adapter,
        path.stem,
        source,
        request,
        case["expect"],
        case.get("proof", "body"),
        tuple((before, after) for before, after in case.get("forged", [])),
        case.get("form", ""),
        case.get("inside", ""),
        tuple(case["headers"]),
    )


def as_data(parts: Iterable[Incoming | Unreadable | Ignored]) -> list[dict[str, Any]]:
    """What an adapter made of a delivery, in the words of the `expect` of a case; payloads and details left out."""
    return [_as_data(part) for part in parts]


def _as_data(part: Incoming | Unreadable | Ignored) -> dict[str, Any]:
    if isinstance(part, Ignored):
        return {"ignored": part.reason}
    if isinstance(part, Unreadable):
        return {"unreadable": part.reason}
    data = asdict(part)
    del data["payload"]
    data["occurred_at"] = part.occurred_at.isoformat().replace("+00:00", "Z")
    data["identities"] = [list(each) for each in part.identities]
    if not data["lead"]:
        del data["lead"]
    if part.event_id.startswith("h:"):
        data["event_id"] = "h:*"
    return data

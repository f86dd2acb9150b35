"""A hash, and where there is a secret a signature, of what a command hands out."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workers.cli._base import settings

if TYPE_CHECKING:
    from collections.abc import Mapping


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with `seal`: its SHA-256, and an HMAC of it where DRIPLINE_SECRET is set.

    Both are over the JSON of everything but `seal`: UTF-8, keys sorted, no white space.
    """
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=as_text).encode()
    seal = {"sha256": hashlib.sha256(plain).hexdigest()}
    if secret := settings().secret:
        seal["hmac_sha256"] = hmac.new(secret.encode(), plain, hashlib.sha256).hexdigest()
    return {**json.loads(plain), "seal": seal}


def as_text(value: object) -> str:
    """A value that JSON has no word for."""
    return value.isoformat() if isinstance(value, datetime) else str(value)

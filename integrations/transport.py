"""HTTP to other people's services, in three outcomes: an answer, `Unavailable`, or `Unknown`.

Whoever sends has to know whether a failed request can have had an effect. Only a failure before the first byte left
proves that it had none; everything later is `Unknown`, whatever it looks like.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from integrations.exceptions import ConfigurationError, Unavailable, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_ANSWER: Final = 4_000_000
"""Bytes of an answer that are read; what is behind them is of no use to us."""
LONGEST_WAIT: Final = timedelta(days=1)
"""A `Retry-After` beyond this is taken as this: our own schedule will look again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status.

    Attributes:
        headers: case-insensitive.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """True for any 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def moved(self) -> bool:
        """True for any 3xx: what was asked for is elsewhere, or so it says."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    @property
    def broken(self) -> bool:
        """True for any 5xx: the other side's own trouble."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def json(self) -> Any:
        """The JSON document in the body, or None if there is none."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None


class Http:
    """Requests to one service over a pool of connections; threads may share it.

    Redirects are answers like others, cookies are not kept, and neither proxies nor passwords are taken from the
    environment: what is sent, and where to, is what the settings say.

    Args:
        base_url: `https://api.example.com`, in front of every path.
        headers: sent with every request.
        connect_timeout, read_timeout: seconds; the second is for every single read.
        total_timeout: seconds in which an answer's body has to be complete.
        connections: how many are kept open.

    Raises:
        ConfigurationError: `base_url` is not an http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None = None,
        *,
        connect_timeout: float = 5.0,
        read_timeout: float = 20.0,
        total_timeout: float = 60.0,
        connections: int = 10,
    ) -> None:
        check_url(base_url, "base_url")
        self._base_url = base_url.rstrip("/")
        self._timeout = (connect_timeout, read_timeout)
        self._total_timeout = total_timeout
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        self._session.headers.update({"user-agent": "dripline", "accept": "application/json", **(headers or {})})
        pool = HTTPAdapter(pool_connections=1, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", pool)
        self._session.mount("https://", pool)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request and its answer. A `body` of bytes is sent as it is, anything else as JSON.

        Raises:
            Unavailable: no connection came about, so nothing can have happened.
            Unknown: the connection broke or fell silent after the request may have left.
        """
        data = body if isinstance(body, bytes | None) else orjson.dumps(body)
        kind = {} if body is None else {"content-type": "application/json"}
        url = self._base_url + path
        deadline = time.monotonic() + self._total_timeout
        try:
            with self._session.request(
                method,
                url,
                data=data,
                params=query,
                headers={**kind, **(headers or {})},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                return Answer(response.status_code, response.headers, _read_body(response, deadline))
        except requests.RequestException as error:
            raise _translate(error, host_of(url)) from error

    def close(self) -> None:
        """Close all connections."""
        self._session.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class OverHttp:
    """What adapters share that talk to one service over HTTP; each connects once its own settings are checked.

    Attributes:
        connect_timeout: seconds.
        read_timeout: seconds, for every single read.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    _http: Http = field(init=False, repr=False, compare=False)

    def connect(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Say where requests go, and the headers that all of them have; nothing is sent yet.

        Raises:
            ConfigurationError: `url` is not an http or https URL.
        """
        http = Http(url, headers, connect_timeout=self.connect_timeout, read_timeout=self.read_timeout)
        object.__setattr__(self, "_http", http)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def check_url(url: str, field: str) -> None:
    """Let only http and https URLs with a host pass.

    Raises:
        ConfigurationError: it is something else; the message names `field`.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"is '{url}', which is no URL to send to; write https://host/path.", field)


def host_of(url: str) -> str:
    """Host and port, for messages; a password in the URL is left out."""
    return urlsplit(url).netloc.rpartition("@")[2]


def check_token(token: str, field: str) -> None:
    """Let only a token pass that a header can hold: one pasted with a line break or a typographic dash fails here.

    Raises:
        ConfigurationError: it holds something else than visible ASCII; the message names `field`.
    """
    if not token.isascii() or not token.isprintable() or token != token.strip():
        raise ConfigurationError("holds a blank, a line break or a character beyond ASCII; copy it again.", field)


def retry_after(answer: Answer, now: datetime | None = None) -> timedelta | None:
    """How long the other side asks us to wait, at most a day; None if it does not say.

    An HTTP date is counted from the answer's own `Date`, so that clocks need not agree, or else from `now`.
    """
    given = answer.headers.get("retry-after", "").strip()
    if given.isascii() and given.isdecimal():
        return min(timedelta(seconds=int(given[:9])), LONGEST_WAIT)
    until, start = _http_date(given), _http_date(answer.headers.get("date", "")) or now
    if until is None or start is None:
        return None
    return min(max(until - start, timedelta(0)), LONGEST_WAIT)


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _read_body(response: requests.Response, deadline: float) -> bytes:
    """The body, at most `LARGEST_ANSWER` of it; the status has been read, so a slow rest is cut off, not waited for."""
    body = bytearray()
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > LARGEST_ANSWER or time.monotonic() > deadline:
            break
    return bytes(body)


def _translate(error: requests.RequestException, host: str) -> Unavailable | Unknown:
    if _never_left(error):
        return Unavailable(f"no connection to {host}: {_cause(error)}")
    return Unknown(f"the request to {host} left and no whole answer came: {_cause(error)}")


def _never_left(error: requests.RequestException) -> bool:
    """True if the failure proves that no byte of the request was sent.

    An SSL error proves it only while certificates are checked, which is before anything is sent.
    """
    if isinstance(error, requests.ConnectTimeout | ValueError):  # ValueError: the request could not even be built
        return True
    reason = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError):
        reason = reason.reason
    if isinstance(reason, NewConnectionError | ConnectTimeoutError):
        return True
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in (reason, *getattr(reason, "args", ())))


def _cause(error: BaseException) -> str:
    """The innermost reason: libraries wrap it several times."""
    while True:
        inner = error.__cause__ or error.__context__
        if inner is None:
            return f"{type(error).__name__}: {error}"
        error = inner

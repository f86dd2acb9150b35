"""A chat that takes Slack's incoming webhooks: Slack, Mattermost, Rocket.Chat, Discord with `/slack` behind its URL.

To set it up in Slack: an app with Incoming Webhooks, added to the channel; its URL goes into `DRIPLINE_SLACK_URL`, and
it is a secret: whoever has it can write there. For more channels name the hooks `slack-sales`, `slack-support` in the
rules, and set `DRIPLINE_SLACK_SALES_URL` and so on.

Chats take no key: a message whose outcome is unknown is not sent again.

Facts: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, docs.mattermost.com (same format).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Final

from integrations.contracts import Accepted
from integrations.posting import refusal, word
from integrations.transport import OverHttp, check_url, host_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from integrations.contracts import Message
    from integrations.transport import Answer

LONGEST: Final = 4_000
"""Characters of a message: what Slack shows in one piece."""
ABOUT_US: Final = frozenset(
    {"invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled", "action_prohibited",
     "channel_not_found", "channel_is_archived", "posting_to_general_channel_denied"}
)  # fmt: skip
"""Refusals that are about the hook or its channel: the next message would fare no better."""


@dataclass(frozen=True, slots=True)
class Adapter(OverHttp):
    """An incoming webhook of a chat.

    Attributes:
        url: as the chat shows it.
    """

    takes_key: ClassVar[bool] = False

    url: str = field(repr=False)
    read_timeout: float = field(default=20.0, kw_only=True)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_url(self.url, "url")
        self.connect(self.url)

    def post(self, message: Message) -> Accepted:
        """Write into the channel; the reference is the effect's key, because chats give none.

        Raises:
            Rejected: the chat refused the message.
            Unavailable: a limit, or a refusal that is about the hook or its channel.
            Unknown: raised by the transport, or the chat answered 500, or not in a chat's words.
        """
        answer = self._http.send("POST", "", {"text": text_of(message.payload)})
        if answer.status == HTTPStatus.OK and taken(answer):
            return Accepted(message.key)
        said = word(answer.body.decode(errors="replace").strip())
        code = said if said.replace("_", "").isalnum() else ""
        raise refusal(host_of(self.url), answer, code, said, about_us=ABOUT_US)


def text_of(payload: Mapping[str, Any]) -> str:
    """What people read: the text, or else everything that is told, a line each. Slack's three signs are escaped."""
    told = payload.get("text")
    text = (told if isinstance(told, str) else "\n".join(lines(payload)))[:LONGEST]
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def lines(payload: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Keys and values, those inside others with a dot between."""
    found = []
    for name, value in payload.items():
        inner = isinstance(value, dict)
        found += lines(value, f"{prefix}{name}.") if inner else [f"{prefix}{name}: {'' if value is None else value}"]
    return found


def taken(answer: Answer) -> bool:
    """True if a chat says yes: `ok`, or JSON that does."""
    if answer.body.strip() == b"ok":
        return True
    said = answer.json()
    return isinstance(said, dict) and (said.get("ok") is True or said.get("success") is True)

"""The other side: a mail server and a CRM that call back when they have done their work and not yet answered."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from workers.demo.hubspot import Handler, HubSpotStub
from workers.demo.smtp import SmtpServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosmtpd.smtp import SMTP, Envelope, Session


class Mails(SmtpServer):
    """A mail server.

    Attributes:
        before_answer: called with the number of mails so far, when one is kept and its sender has no answer yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.before_answer: Callable[[int], None] = lambda _: None

    @property
    def count(self) -> int:
        """Mails so far."""
        return len(self._received)

    def arrived(self) -> Counter[tuple[str, str]]:
        """How often each mail arrived, by recipient and subject."""
        return Counter((each.to, str(each.message["Subject"])) for each in self.received)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """See `SmtpServer.handle_DATA`."""
        answer = await super().handle_DATA(server, session, envelope)
        self.before_answer(self.count)
        return answer


class Crm(HubSpotStub):
    """A CRM.

    Attributes:
        before_answer: called with method and path of a request that has been carried out and not yet answered.
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.before_answer: Callable[[str, str], None] = lambda _method, _path: None
        crm = self

        class Telling(Handler):
            def reply(self, status: int, body: Any) -> None:
                crm.before_answer(self.command, self.path)
                super().reply(status, body)

        self._server.RequestHandlerClass = Telling
        # Whoever calls may be killed in the middle of it: that is no error here.
        self._server.handle_error = lambda _request, _client: None  # type: ignore[assignment]

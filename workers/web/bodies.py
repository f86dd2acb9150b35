"""Reading the bodies of deliveries from strangers, within bounds for one body and for all that are on their way.

Nothing of a body is verified before its last byte is there, so whoever sends half a body and then waits would hold
memory for nothing. A body that comes in one piece is not held at all while others are waited for, and so is not
counted: small deliveries get through however many half-sent large ones there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from workers.web import problems

if TYPE_CHECKING:
    from starlette.types import Receive

    from workers.web.problems import Problem

LISTENED_TO: Final = 4
"""Times the limit that a body is read to its end, and not kept: who is cut off in mid-sentence hears no answer."""
AT_LEAST: Final = 2
"""Bodies of the largest size that may always be on their way."""


class Disconnected(Exception):  # not our error: the sender hung up before the body was complete
    """There is nobody left to answer."""


class Bodies:
    """Reads bodies.

    Args:
        largest: bytes of one body.
        together: bytes of all bodies that have begun to arrive; what is beyond is refused.

    Attributes:
        held: bytes that are kept at this moment.
    """

    def __init__(self, *, largest: int, together: int) -> None:
        self._largest = largest
        self._together = max(together, AT_LEAST * largest)
        self.held = 0

    async def read(self, declared: int, receive: Receive) -> bytes:
        """The whole body, which by the sender's account has `declared` bytes (0 if it does not say).

        Raises:
            Problem: it is too large, by its own account or in fact; or too much of other bodies is held.
            Disconnected: the sender left, or took so long that the server closed the connection.
        """
        chunk, more = await _chunk(receive)
        if not more and len(chunk) <= self._largest:
            return chunk
        return await self._gather(chunk, declared, receive, more=more)

    async def _gather(self, chunk: bytes, declared: int, receive: Receive, *, more: bool) -> bytes:
        kept = bytearray()  # and no list: of pieces of two bytes each, it would be twenty times as large
        size = len(chunk)
        refusal = problems.too_large(self._largest) if declared > self._largest else None
        try:
            while True:
                refusal = refusal or self._refusal(size, len(chunk))
                self.held += len(chunk) if refusal is None else -len(kept)
                if refusal is None:
                    kept += chunk
                else:
                    kept.clear()
                if not more or size > LISTENED_TO * self._largest:
                    break
                chunk, more = await _chunk(receive)
                size += len(chunk)
        finally:
            self.held -= len(kept)
        if refusal:
            raise refusal
        return bytes(kept)

    def _refusal(self, size: int, more: int) -> Problem | None:
        """Why a body of this size so far cannot be kept, if `more` bytes of it are new."""
        if size > self._largest:
            return problems.too_large(self._largest)
        if self.held + more > self._together:
            return problems.unavailable("overloaded", "Too many large deliveries are on their way", problems.SOON)
        return None


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    """The next piece of the body, and whether there is more."""
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    return message.get("body", b""), message.get("more_body", False)

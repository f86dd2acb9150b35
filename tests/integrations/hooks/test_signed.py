from __future__ import annotations

from typing import Final

import orjson
import pytest
import responses

from integrations.contracts import Message
from integrations.exceptions import Unavailable, Unknown
from integrations.hooks.signed import Adapter
from integrations.signatures import webhook_id

SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
MESSAGE: Final = Message("hook:17:trial:1:x", {"type": "trial.stalled", "data": {"lead": {"email": "ann@acme.test"}}})


def test_a_message_goes_out_as_it_is_under_its_own_key() -> None:
    adapter = Adapter("https://ops.test/in", SECRET)
    with responses.RequestsMock() as mock:
        mock.post("https://ops.test/in", status=202)
        assert adapter.post(MESSAGE).ref == webhook_id(MESSAGE.key)
        assert orjson.loads(mock.calls[0].request.body or b"") == MESSAGE.payload
    adapter.close()


@pytest.mark.parametrize(("takes_key", "error"), [(True, Unavailable), (False, Unknown)])
def test_a_server_error_is_repeated_only_where_the_receiver_drops_what_it_has_seen(
    takes_key: bool, error: type[Exception]
) -> None:
    adapter = Adapter("https://ops.test/in", SECRET, takes_key=takes_key)
    with responses.RequestsMock() as mock:
        mock.post("https://ops.test/in", status=500)
        with pytest.raises(error):
            adapter.post(MESSAGE)
    adapter.close()

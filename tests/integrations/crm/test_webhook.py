from __future__ import annotations

from typing import Final

import orjson
import responses

from integrations.contracts import Person, Promotion
from integrations.crm.webhook import Adapter
from integrations.signatures import webhook_id

SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PROMOTION: Final = Promotion("promotion:17:1", Person("ann@acme.test"), "Acme", "p", "s", None, "EUR", None, "", "Note")


def test_a_promotion_goes_out_under_its_own_key_and_what_is_not_known_is_null_or_empty() -> None:
    adapter = Adapter("https://sales.test/in", SECRET)
    with responses.RequestsMock() as mock:
        mock.post("https://sales.test/in", status=202)
        assert adapter.promote(PROMOTION).ref == webhook_id("promotion:17:1")
        body = mock.calls[0].request.body
    adapter.close()
    sent = orjson.loads(body or b"")
    assert (sent["type"], sent["data"]["key"]) == ("opportunity.created", "promotion:17:1")
    data = sent["data"]
    assert (data["amount"], data["close_on"], data["owner"], data["person"]["phone"]) == (None, None, "", "")

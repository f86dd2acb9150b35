"""The rules that are measured: those of the other benchmark, with campaigns that go on for days."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from tests.benchmarks.rules import CAMPAIGNS, bundle

WAIT: Final = timedelta(hours=12)
"""Between two mails of a campaign."""
MAILS: Final = 6
HELLO: Final = """---
subject: Hello
category: marketing
---
Hello {{ lead.first_name | default("there") }}, this is what we have learned since.

{{ account.address }}
Unsubscribe: {{ unsubscribe_url }}
"""


def files(rate: int) -> dict[str, str]:
    """The bundle: 100 scoring rules, 20 campaigns, and so many mails a second at the most."""
    campaigns = {f"rules/campaigns/c{n}.yaml": campaign(n) for n in range(CAMPAIGNS)}
    sending = {"rules/sending.yaml": f"sending: {{limits: [{{provider: smtp, limit: {rate} per second}}]}}\n"}
    return bundle() | campaigns | sending | {"templates/bench/hello/mail.txt": HELLO}


def campaign(number: int) -> str:
    """Mails with waits between them."""
    head = f"""
campaign: c{number}
enter: {{event: form.submitted, when: event.form == "form-{number}"}}
exit: [{{event: email.unsubscribed}}, {{stage: sales-qualified}}]
steps:
"""
    return head + f"  - wait: {WAIT // timedelta(hours=1)} hours\n  - send: bench/hello\n" * MAILS

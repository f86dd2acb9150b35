"""The usual way, for comparison: Jinja2 from a string, the standard library's message, a connection for each mail.

It is given advantages that it would not have: no layout to look up, no sandbox, no styles to put in place, no text to
make, no tracking, and one row of one table to keep book in. Run as a process of its own; several share the rows.
"""

from __future__ import annotations

import json
import smtplib
import sys
from email.message import EmailMessage
from email.utils import make_msgid
from typing import Any

import psycopg
from jinja2 import Environment

from tests.benchmarks.email.mails import ROOT, people
from workers.rulebook.mail import body_of

TABLE = "naive_mails"
CLAIM = f"SELECT id, lead FROM {TABLE} WHERE state = 'due' LIMIT 1 FOR UPDATE SKIP LOCKED"
DONE = f"UPDATE {TABLE} SET state = 'sent', sent_at = now() WHERE id = %s"
SENDER = "Nora at Northwind <nora@northwind.example>"
ACCOUNT = {"site": "https://northwind.example", "address": "Northwind Analytics GmbH, Hamburg"}


def fill(url: str, number: int) -> None:
    """A table with the mails."""
    with psycopg.connect(url) as conn:
        conn.execute(f"CREATE TABLE {TABLE} (id serial PRIMARY KEY, lead json, state text, sent_at timestamptz)")
        rows = [(json.dumps({**lead.state["fields"], "email": lead.email}),) for lead in people(number)]
        with conn.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {TABLE} (lead, state) VALUES (%s, 'due')", rows)


def sources() -> tuple[str, str]:
    """The text and the HTML of a mail, each whole and in one template."""
    folder = ROOT / "templates/welcome/hello"
    text = body_of("/mail.txt", (folder / "mail.txt").read_text("utf-8"))
    body = (folder / "mail.html").read_text("utf-8")
    foot = "{{ account.address }} <a href='{{ unsubscribe_url }}'>Unsubscribe</a>"
    return text, f"<html><head><title>Welcome</title></head><body style='margin:0'>{body} {foot}</body></html>"


def message(lead: dict[str, Any], text: str, html: str) -> EmailMessage:
    """One mail."""
    values = {"lead": lead, "account": ACCOUNT, "unsubscribe_url": "https://go.northwind.example/u/x", "subject": "Hi"}
    made = EmailMessage()
    made["From"], made["To"], made["Message-ID"] = SENDER, lead["email"], make_msgid(domain="northwind.example")
    made["Subject"] = Environment().from_string("Welcome, {{ lead.first_name }}").render(values)
    made.set_content(Environment().from_string(text).render(values))
    made.add_alternative(Environment(autoescape=True).from_string(html).render(values), subtype="html")
    return made


def main(url: str, port: int) -> None:
    """Send until nothing is due."""
    text, html = sources()
    with psycopg.connect(url) as conn:
        while row := conn.execute(CLAIM).fetchone():
            with smtplib.SMTP("127.0.0.1", port) as smtp:
                smtp.send_message(message(row[1], text, html))
            conn.execute(DONE, (row[0],))
            conn.commit()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

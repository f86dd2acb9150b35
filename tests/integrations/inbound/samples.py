"""Mails as they come back, after the examples of RFC 3464, 5965 and 3834 and what mail servers really write."""

from __future__ import annotations

from typing import Final

NAME: Final = "0123456789abcdef0123456789abcdef"
OURS: Final = f"<{NAME}@acme.test>"


def mail(text: str) -> bytes:
    return text.lstrip("\n").replace("\n", "\r\n").encode()


def dsn(action: str = "failed", status: str = "5.1.1", message_id: str = OURS, said: str = "550 no such user") -> bytes:
    return mail(f"""
Return-Path: <>
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
To: bounces@acme.test
Subject: Undelivered Mail Returned to Sender
Message-ID: <20260105120000.ABC@mx.example.net>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Mon, 5 Jan 2026 12:00:00 +0000

Final-Recipient: rfc822; ann@example.net
Original-Recipient: rfc822;ann@example.net
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--b1
Content-Type: text/rfc822-headers

From: Nora <nora@acme.test>
To: ann@example.net
Message-ID: {message_id}
Subject: Hello

--b1--
""")


def arf(kind: str = "abuse", message_id: str = OURS) -> bytes:
    return mail(f"""
From: <abusedesk@example.com>
To: <abuse@acme.test>
Subject: FW: Hello
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="p1"

--p1
Content-Type: text/plain

This is an email abuse report.

--p1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1

--p1
Content-Type: message/rfc822

From: <nora@acme.test>
To: <ann@example.net>
Subject: Hello
Message-ID: {message_id}

Hello Ann

--p1--
""")


def reply(*headers: str, sender: str = "Ann Example <Ann@Example.net>", subject: str = "Re: Hello") -> bytes:
    more = "".join(f"{header}\n" for header in headers)
    return mail(f"""
From: {sender}
To: nora@acme.test
Subject: {subject}
Message-ID: <reply-1@example.net>
In-Reply-To: {OURS}
{more}
Thank you, let us talk.
""")

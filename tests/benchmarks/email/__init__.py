"""Mails a second through SMTP to a server on the same machine, with the outbox's bookkeeping in PostgreSQL."""

"""Outgoing webhooks, one file each."""

"""Mailboxes that are looked into for bounces, complaints and replies; one file each, found by its name."""

"""Webhook senders, one file each; `Adapter` is its class."""

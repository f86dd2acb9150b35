"""The web process: webhooks in, unsubscribe links, and pages that show how things stand."""

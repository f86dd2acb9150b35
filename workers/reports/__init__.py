"""What people ask about: read from the store, worked out with the engine, as plain data."""

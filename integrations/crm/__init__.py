"""CRMs, one file each; `Adapter` is its class."""

"""E-mail providers, one file each; `Adapter` is its class."""

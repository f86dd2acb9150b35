"""`dripline dev`: all of Dripline in one process, with nothing to install but the package."""

from workers.dev.runtime import NotDrained, Runtime, shipped_bundle

__all__ = ["NotDrained", "Runtime", "shipped_bundle"]

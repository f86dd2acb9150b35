"""`dripline dev`: all of Dripline in one process, with nothing to install but the package."""

from workers.dev.runtime import NotDrained, Runtime

__all__ = ["NotDrained", "Runtime"]

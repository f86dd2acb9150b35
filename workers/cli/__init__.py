"""The command `dripline`: one file per command, found by its name and imported when it is needed."""

from workers.cli._main import main

__all__ = ["main"]

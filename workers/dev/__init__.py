"""`dripline dev`: all of Dripline in one process, with nothing to install but the package."""

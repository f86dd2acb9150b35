"""From events to decisions: batches of one slice of leads or of several, each in one transaction.

A batch is a handful of set-based statements: claim, identify, load, and after the engine has decided, write. Whatever
happens to the process in between, either all of it is there or none, and the events wait in the inbox as before.

What makes a batch fail is found and kept to itself. An event that makes the engine raise spoils only itself: its lead's
events are then taken one by one. Data that PostgreSQL refuses are found by halving the batch. Either way the event is
tried again after a while, and after its last try it goes to the quarantine with its reason.
"""

from workers.pipeline.processed import Processed
from workers.pipeline.run import ActiveRulebook, process_slice, process_together

__all__ = ["ActiveRulebook", "Processed", "process_slice", "process_together"]

"""What the use cases need from outside, as Protocols; one module per subject."""

from batch_conductor.ports.outside import EventOutcome, Facts, ResolutionOutcome, Watcher
from batch_conductor.ports.storage import Store, Transaction

__all__ = ["EventOutcome", "Facts", "ResolutionOutcome", "Store", "Transaction", "Watcher"]

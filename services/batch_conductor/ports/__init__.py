"""What the use cases need from outside, as Protocols; one module per subject."""

from batch_conductor.ports.outside import Facts, Watcher
from batch_conductor.ports.storage import Store, Transaction

__all__ = ["Facts", "Store", "Transaction", "Watcher"]

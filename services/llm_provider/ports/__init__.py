"""What the use cases need from the outside world, as Protocols; one module per subject."""

from llm_provider.ports.judges import BatchItem, BatchJobState, BatchJobView, BatchJudge, BatchOutcome, Ending, Judge, JudgeCall, JudgeReply
from llm_provider.ports.catalogue import Catalogue, RetiringModel
from llm_provider.ports.operations import AdminGate, CallWatcher, CallbackRules, ProviderSwitch, StateWatcher
from llm_provider.ports.storage import DelayedRequest, DueRequests, EventOutbox, Jobs, KnownKey, Ledger, Meters, Outage, Queue, QueueDepth, Rows, StateCount, Store, Transaction, Unreadable
from llm_provider.ports.working import FailedItem, FailureCount, Isolate, Pulse, WakeProviders, Wakeup

__all__ = [
    "AdminGate",
    "BatchItem",
    "BatchJobState",
    "BatchJobView",
    "BatchJudge",
    "BatchOutcome",
    "CallWatcher",
    "CallbackRules",
    "Catalogue",
    "DelayedRequest",
    "DueRequests",
    "Ending",
    "EventOutbox",
    "FailedItem",
    "FailureCount",
    "Isolate",
    "Jobs",
    "Judge",
    "JudgeCall",
    "JudgeReply",
    "KnownKey",
    "Ledger",
    "Meters",
    "Outage",
    "ProviderSwitch",
    "Pulse",
    "Queue",
    "QueueDepth",
    "RetiringModel",
    "Rows",
    "StateCount",
    "StateWatcher",
    "Store",
    "Transaction",
    "Unreadable",
    "WakeProviders",
    "Wakeup",
]

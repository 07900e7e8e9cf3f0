"""Wake-ups of this service's workers, one type per worker."""

from service_kit.work.worker import Wakeup


class AdvanceWakeup(Wakeup):
    """Wakes the advancing worker."""


class SubmitWakeup(Wakeup):
    """Wakes the submitting worker."""


class PrepareWakeup(Wakeup):
    """Wakes the preparing worker."""


class WithdrawWakeup(Wakeup):
    """Wakes the withdrawing worker."""


class ForgetWakeup(Wakeup):
    """Wakes the forgetting worker."""


class ReportWakeup(Wakeup):
    """Wakes the worker that reports consumption."""

"""Names of the service's workers: in its metrics and logs, and in the list of items that were set aside."""

from typing import Final

READ_REQUESTS: Final = "read-requests"
RETURN_REQUESTS: Final = "return-requests"
END_REQUESTS: Final = "end-requests"
GIVE_UP_OUTAGES: Final = "give-up-outages"
RECORD_CALLS: Final = "record-calls"
RUN_JOBS: Final = "run-jobs"
RAISE_ALERTS: Final = "raise-alerts"
MEASURE: Final = "measure"


def judge_worker(provider: str) -> str:
    """The worker that calls one provider."""
    return f"judge-{provider}"


def collect_worker(provider: str) -> str:
    """The worker that collects one provider's requests into batch jobs."""
    return f"collect-jobs-{provider}"

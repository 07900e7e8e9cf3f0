"""Record calls so that one which cannot be recorded keeps no other from being recorded."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llm_provider.domain.calls.call import Call
from llm_provider.domain.requests.request import QueueId
from llm_provider.ports import FailureCount, Isolate
from llm_provider.use_cases.judging.record_calls import RecordCalls
from llm_provider.use_cases.requests.set_aside_request import SetAsideRequest


@dataclass(kw_only=True)
class UnrecordedCalls:
    """Calls that could not be recorded yet, by request; what is set aside is taken out."""

    set_aside_request: SetAsideRequest
    calls: dict[QueueId, Call] = field(default_factory=dict)

    async def set_aside(self, queue_id: QueueId, reason: str) -> None:
        """End the request of such a call, and bill the call as far as that is possible."""
        await self.set_aside_request.with_call(self.calls[queue_id], reason)
        del self.calls[queue_id]


@dataclass(frozen=True, kw_only=True)
class RecordIsolated:
    """Records sets of calls; a call that fails by itself is counted, and set aside in the end."""

    record: RecordCalls
    isolate: Isolate
    unrecorded: UnrecordedCalls
    count_failure: FailureCount[QueueId]

    async def __call__(self, calls: Sequence[Call], *, provider: str) -> Sequence[Call]:
        """Record the calls; returns those that have to be tried again. Raises errors of the infrastructure only."""

        async def record(part: Sequence[Call]) -> None:
            await self.record(part, provider=provider)

        failures = await self.isolate(calls, record)
        self.unrecorded.calls.update({failure.item.queue_id: failure.item for failure in failures})
        await self.count_failure({failure.item.queue_id: failure.error for failure in failures})
        return [
            failure.item for failure in failures if self.unrecorded.calls.pop(failure.item.queue_id, None)
        ]

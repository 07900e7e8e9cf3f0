"""Spans for calls to vendors; a vendor learns of none."""

from collections.abc import Awaitable, Callable

from service_kit.tracing import Attribute, SpanKind, Tracing

from llm_provider.domain.batch_job import JobId
from llm_provider.domain.calls.call import Call
from llm_provider.domain.requests.request import LeasedRequest

MakesCall = Callable[[LeasedRequest], Awaitable[Call]]
RunsJob = Callable[[JobId], Awaitable[None]]


def traced_call(make_call: MakesCall, tracing: Tracing) -> MakesCall:
    """``make_call`` with a span for each call whose request is part of a trace, which it continues."""
    if not tracing.is_on:
        return make_call

    async def make_traced(leased: LeasedRequest) -> Call:
        request = leased.request
        if request.trace is None:
            return await make_call(leased)
        attributes: dict[str, Attribute] = {
            "gen_ai.provider.name": request.parameters.provider,
            "gen_ai.request.model": request.parameters.model,
            "correlation_id": str(request.correlation_id),
            "llm_provider.queue_id": str(request.queue_id),
            "llm_provider.attempt": leased.attempts,
        }
        with tracing.span(
            f"judge {request.parameters.provider}",
            kind=SpanKind.CLIENT,
            parents=(request.trace,),
            attributes=attributes,
        ) as span:
            call = await make_call(leased)
            span.note({"gen_ai.response.model": call.model})
            if call.usage is not None:
                span.note(
                    {
                        "gen_ai.usage.input_tokens": call.usage.input,
                        "gen_ai.usage.output_tokens": call.usage.output,
                    }
                )
            if call.error is not None:
                span.failed(call.outcome_code)
            return call

    return make_traced


def traced_job(run: RunsJob, tracing: Tracing) -> RunsJob:
    """``run`` with a span for each step of a batch job: a trace of its own, because its requests have many."""
    if not tracing.is_on:
        return run

    async def run_traced(job_id: JobId) -> None:
        attributes = {"llm_provider.batch_job": str(job_id)}
        with tracing.span("run batch job", kind=SpanKind.CLIENT, attributes=attributes):
            await run(job_id)

    return run_traced

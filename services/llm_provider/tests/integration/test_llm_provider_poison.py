"""One request that cannot be handled stops no other: it ends in its own error, and an operator can find it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest
from dishka import Provider, Scope, decorate
from event_contracts import LLMComparisonResultV1
from llm_provider.domain.calls.errors import JudgeUnavailable
from llm_provider.domain.calls.retrying import RetryPolicy
from llm_provider.domain.costs.usage import Usage
from llm_provider.ports import Judge, JudgeCall, JudgeReply
from llm_provider.ports.worker_names import END_REQUESTS
from llm_provider.providers import Judges
from llm_provider.tests.building import call_of, comparison, judge_request
from llm_provider.tests.postgres_fixtures import stored
from llm_provider.tests.serving import TIMEOUT_SECONDS, memory_bus, serving, settings_for, submit
from llm_provider.use_cases.judging.record_calls import RecordCalls

HEALTHY: Final = 20
PRICED: Final = {"simulated_input_price": "1000", "simulated_output_price": "5000"}
CORRUPTIONS: Final = {
    "blocks that are not JSON": "prompt_blocks = '{'",
    "blocks of another shape": "prompt_blocks = '[{\"target\": 1}]'",
    "parameters of another version": "parameters = '{\"unheard_of\": 1}'",
    "parameters that are not an object": "parameters = '[]'",
    "metadata that is not an object": "metadata = '[]'",
}


class Poisoned(Provider):
    """Judges whose answer to the poisoned essay cannot be recorded."""

    scope = Scope.APP

    def __init__(self, change: dict[str, object]) -> None:
        super().__init__()
        self._change = change

    @decorate
    def judges(self, judges: Judges) -> Judges:
        live: dict[str, Judge] = {
            name: PoisonedJudge(judge, self._change) for name, judge in judges.live.items()
        }
        return replace(judges, live=live)


class PoisonedJudge:
    def __init__(self, judge: Judge, change: dict[str, object]) -> None:
        self._judge = judge
        self._change = change

    async def judge(self, call: JudgeCall) -> JudgeReply:
        reply = await self._judge.judge(call)
        return replace(reply, **self._change) if "poisoned" in call.prompt.user else reply  # type: ignore[arg-type]


def split(
    results: list[LLMComparisonResultV1],
) -> tuple[list[LLMComparisonResultV1], list[LLMComparisonResultV1]]:
    """The results with a vote, and those without."""
    return [one for one in results if one.winner], [one for one in results if not one.winner]


async def test_rows_that_cannot_be_read_end_in_their_own_error_and_all_others_are_judged(
    database_url: str,
) -> None:
    bus, results = memory_bus()
    async with stored(database_url) as queue:
        await queue.add(*[judge_request(batch="healthy") for _ in range(HEALTHY)])
        for corruption in CORRUPTIONS.values():
            request = judge_request(batch="poisoned")
            await queue.add(request)
            await queue.execute(
                f"UPDATE judge_request SET {corruption.replace(':', chr(92) + ':')} WHERE id = :id",
                id=request.queue_id,
            )
        async with serving(settings_for(database_url), bus=bus):
            received = await results.waits_for(HEALTHY + len(CORRUPTIONS))
        listed = await queue.rows("SELECT worker, set_aside_at FROM failed_item")

    judged, failed = split(received)
    assert len(judged) == HEALTHY
    assert {one.error_detail and one.error_detail.error_code for one in failed} == {"LLM_INTERNAL_ERROR"}
    assert len({one.request_id for one in received}) == len(received)
    assert len(listed) == len(CORRUPTIONS)
    assert all(row.set_aside_at for row in listed)


@pytest.mark.parametrize(
    ("change", "is_billed"),
    [
        ({"vendor_request_id": "a\x00b"}, True),
        ({"model": "m" * 10 + "\x00"}, True),
        ({"usage": Usage(input=2**70)}, False),
    ],
    ids=["text-with-nul", "model-with-nul", "tokens-beyond-64-bits"],
)
async def test_a_call_that_cannot_be_recorded_stops_no_other(
    database_url: str, change: dict[str, object], is_billed: bool
) -> None:
    bus, results = memory_bus()
    async with serving(settings_for(database_url, **PRICED), bus=bus, overrides=[Poisoned(change)]) as client:
        await submit(
            client,
            [comparison("the poisoned essay"), *[comparison(f"essay {n}") for n in range(HEALTHY)]],
        )
        received = await results.waits_for(HEALTHY + 1)
        costs = (await client.get("/api/v1/costs")).json()["total"]
        metrics = (await client.get("/metrics")).text

    judged, failed = split(received)
    if "model" in change:
        assert len(judged) == HEALTHY + 1, (
            "a name that cannot be stored is replaced by the one that was asked for"
        )
        return
    (failed_one,) = failed
    assert len(judged) == HEALTHY
    assert failed_one.error_detail is not None
    assert failed_one.error_detail.details["reason"] == "set_aside"
    assert (failed_one.cost_estimate > 0) is is_billed
    assert costs["cost_usd"] == pytest.approx(sum(float(one.cost_estimate) for one in received))
    assert 'worker_items_set_aside_total{worker="record-calls"} 1.0' in metrics


async def test_a_row_that_cannot_be_read_expires_like_any_other(database_url: str) -> None:
    bus, results = memory_bus()
    async with stored(database_url) as queue:
        requests = [judge_request(life=timedelta(seconds=-1)) for _ in range(5)]
        await queue.add(*requests)
        await queue.execute(
            "UPDATE judge_request SET prompt_blocks = '{' WHERE id = :id", id=requests[0].queue_id
        )
        async with serving(settings_for(database_url), bus=bus):
            received = await results.waits_for(5)

    assert {one.error_detail and one.error_detail.error_code for one in received} == {"TIMEOUT"}


async def test_a_request_that_cannot_be_ended_is_left_to_an_operator_and_the_others_end(
    database_url: str,
) -> None:
    bus, results = memory_bus()
    async with stored(database_url) as queue:
        requests = [judge_request(life=timedelta(seconds=-1)) for _ in range(5)]
        await queue.add(*requests)
        # No result can name such a model.
        await queue.execute(
            "UPDATE judge_request SET model = E'\\u0001' WHERE id = :id", id=requests[0].queue_id
        )
        async with serving(settings_for(database_url), bus=bus):
            await results.waits_for(4)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not (listed := await queue.rows("SELECT worker, item FROM failed_item")):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    assert [tuple(row) for row in listed] == [(END_REQUESTS, str(requests[0].queue_id))]
    assert len(results.received) == 4


async def test_calls_that_are_recorded_twice_count_once(database_url: str) -> None:
    """A commit whose answer is lost is repeated: neither the meters nor the spending may notice."""

    class NobodyWatches:
        def watch(self, call: object) -> None:
            pass

        def watch_wait(self, provider: str, seconds: float) -> None:
            pass

    async with stored(database_url) as queue:
        await queue.add(judge_request())
        (leased,) = await queue.take()
        record = RecordCalls(
            store=queue.store,
            catalogue=object(),  # type: ignore[arg-type]  # asked only about requests with a cap
            policy=RetryPolicy(),
            watcher=NobodyWatches(),
            publish_call_events=True,
            wake_returns=lambda: None,
        )
        call = call_of(leased, error=JudgeUnavailable("x"))
        for _ in range(3):
            await record([call], provider="mock")
        (meter,) = await queue.rows("SELECT failures, last_error_code FROM meter")
        (request,) = await queue.rows("SELECT failures, state FROM judge_request")
        (spending,) = await queue.rows("SELECT calls FROM spending")

    assert (meter.failures, meter.last_error_code) == (1, "LLM_PROVIDER_UNAVAILABLE")
    assert (request.failures, request.state, spending.calls) == (1, "delayed", 1)

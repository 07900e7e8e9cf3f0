"""What a result says of how it came about is what was done, not what was asked for."""

from datetime import UTC, datetime

import pytest
from llm_provider.domain.calls.call import ended_by, ended_without_call
from llm_provider.domain.calls.errors import JudgeTimeout, RequestCancelled
from llm_provider.domain.requests.request import LeasedRequest, QueueState
from llm_provider.tests.building import call_of, judge_request


def leased(*, is_relaxed: bool) -> LeasedRequest:
    return LeasedRequest(request=judge_request(is_relaxed=is_relaxed), attempts=1, paid_calls=0)


@pytest.mark.parametrize("is_relaxed", [True, False])
@pytest.mark.parametrize(("in_batch", "mode"), [(True, "batch_api"), (False, "per_request")])
def test_the_mode_is_that_of_the_call_whatever_was_asked_for(
    in_batch: bool, mode: str, is_relaxed: bool
) -> None:
    """A request that waited for a batch job which failed is judged by a single call."""
    call = call_of(leased(is_relaxed=is_relaxed), in_batch=in_batch)

    assert ended_by(call, call.outcome).result.request_metadata["queue_processing_mode"] == mode


@pytest.mark.parametrize(("in_batch", "mode"), [(True, "batch_api"), (False, "per_request")])
def test_an_error_of_a_call_says_how_the_call_was_made(in_batch: bool, mode: str) -> None:
    error = JudgeTimeout("no answer", may_be_billed=False)
    call = call_of(leased(is_relaxed=True), in_batch=in_batch, error=error)

    assert ended_by(call, error).result.request_metadata["queue_processing_mode"] == mode


def test_where_no_call_was_made_none_is_named() -> None:
    ended = ended_without_call(
        leased(is_relaxed=True),
        RequestCancelled(),
        state=QueueState.CANCELLED,
        now=datetime.now(UTC),
    )

    assert ended.result.request_metadata["queue_processing_mode"] is None

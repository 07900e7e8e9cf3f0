"""What the vendors' batch jobs have in common."""

from collections.abc import AsyncIterator, Callable, Sequence

import orjson
from event_contracts import JsonObject
from pydantic import AliasChoices, BaseModel, Field

from llm_provider.adapters.vendor_api.connection import Connection, Shape
from llm_provider.domain.calls.errors import JudgeError, JudgeTimeout, JudgeUnavailable, RequestRejected
from llm_provider.ports import BatchItem, BatchOutcome, JudgeReply


class _Keyed(BaseModel):
    custom_id: str = Field(validation_alias=AliasChoices("custom_id", "key"))


def require_size(vendor: str, items: Sequence[BatchItem], *, at_most: int) -> None:
    """Raise ``RequestRejected`` for an empty job, or for one with more items than a vendor takes."""
    if not 0 < len(items) <= at_most:
        raise RequestRejected(f"{vendor} batch jobs hold 1 to {at_most} items, not {len(items)}")


def single_model(vendor: str, items: Sequence[BatchItem]) -> str:
    """The one model that all items of a job use; raises ``RequestRejected`` where they use several."""
    models = sorted({item.call.parameters.model for item in items})
    if len(models) != 1:
        raise RequestRejected(f"{vendor} batch jobs use one model, not {', '.join(models)}")
    return models[0]


def json_lines(lines: Sequence[JsonObject]) -> bytes:
    """JSON Lines, UTF-8."""
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def unprocessed_error(vendor: str, *, expired: bool) -> JudgeError:
    """The error of an item that a job did not process: the job expired or was cancelled before."""
    if expired:
        return JudgeTimeout(f"{vendor} did not process it before the batch job expired", may_be_billed=False)
    return JudgeUnavailable(f"the batch job was cancelled before {vendor} processed it")


async def read_outcomes(
    connection: Connection, path: str, line: type[Shape], reply_of: Callable[[Shape], JudgeReply]
) -> AsyncIterator[BatchOutcome]:
    """The outcomes in a file of results; ``reply_of`` raises ``JudgeError`` for an item that has no reply.

    A line that cannot be parsed is the error of its item alone. One that does not even name its item raises
    ``UnexpectedAnswer``; a file that breaks off raises ``JudgeUnreachable``.
    """
    async for content in connection.lines(path):
        key = connection.parse(content, _Keyed).custom_id
        result: JudgeReply | JudgeError
        try:
            result = reply_of(connection.parse(content, line))
        except JudgeError as error:
            result = error
        yield BatchOutcome(custom_id=key, result=result)

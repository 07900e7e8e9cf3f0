"""What a service's routes for operators list: items that its workers set aside, and messages that it gave up."""

from typing import Annotated

from pydantic import Field

from event_contracts.base import WireModel
from event_contracts.fields import (
    MAX_RESULTS_PER_BATCH,
    Count,
    LargeCount,
    LongText,
    Name,
    Text,
    UtcDatetime,
)


class SetAsideItem(WireModel):
    """An item that failed too often: what it is, why it failed, and since when it is not tried."""

    worker: Name
    item: Text
    attempts: Count
    error_code: Name
    error_message: Text
    first_failed_at: UtcDatetime
    set_aside_at: UtcDatetime


class SetAsideItems(WireModel):
    """GET /admin/v1/set-aside: the newest first."""

    items: Annotated[tuple[SetAsideItem, ...], Field(max_length=MAX_RESULTS_PER_BATCH)]


class GivenUp(WireModel):
    """A message that is no longer sent: where to, why, and since when; `value` only where one is asked for."""

    id: LargeCount
    event_id: Name
    transport: Name
    destination: Text
    key: Text
    attempts: Count
    last_error: Text
    created_at: UtcDatetime
    given_up_at: UtcDatetime
    size: Count
    value: LongText | None = None


class GivenUpMessages(WireModel):
    """GET /admin/v1/given-up: the newest first."""

    items: Annotated[tuple[GivenUp, ...], Field(max_length=MAX_RESULTS_PER_BATCH)]

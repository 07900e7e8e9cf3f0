"""Rows that cannot be read as requests: an error of their own, so that they can be told from all others."""

from collections.abc import Sequence

from event_contracts import ProcessingError

from llm_provider.domain.requests.request import LeasedRequest
from llm_provider.ports import Rows


def require_readable(rows: Rows) -> Sequence[LeasedRequest]:
    """The requests; raises ``ProcessingError`` if a row among them cannot be read."""
    if rows.unreadable:
        first = rows.unreadable[0]
        raise ProcessingError(
            f"the row of request {first.queue_id} cannot be read: {type(first.error).__name__}"
        ) from first.error
    return rows.requests

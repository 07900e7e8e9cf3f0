"""Reading the answer of a service of the suite that refuses or asks for a pause."""

from typing import Final

from pydantic import ValidationError

from event_contracts.errors import ErrorBody, ErrorDetail

MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600
"""A service that asks for more than a day is not one of the suite's."""


def error_detail(body: bytes) -> ErrorDetail | None:
    """The error that an answer's body states; None where something else has answered in the service's place."""
    try:
        return ErrorBody.model_validate_json(body).error
    except ValidationError:
        return None


def retry_after_seconds(header: str | None) -> float | None:
    """The seconds of a ``Retry-After`` header; None unless it is a whole number, from 0 to a day."""
    if header is None or not (header.isascii() and header.isdecimal()):
        return None
    seconds = float(header)  # of thousands of digits it is infinite, where ``int`` would raise
    return seconds if seconds <= MAX_RETRY_AFTER_SECONDS else None

"""The body of every answer that is not a 2xx."""

from event_contracts import ErrorBody, ErrorDetail


def error_body(detail: ErrorDetail) -> str:
    """The JSON text."""
    return ErrorBody(error=detail).model_dump_json()

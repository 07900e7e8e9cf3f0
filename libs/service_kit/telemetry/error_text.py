"""Errors in words: what may stand in logs, in rows and on the wire of an unexpected error.

A message must hold no essay text: of a validation error only the fields and what is wrong with them is told, and
database errors have lost their values before (see ``Database``).
"""

import traceback
from types import TracebackType

from event_contracts import ErrorCode, SuiteError, validation_reasons
from pydantic import ValidationError

MAX_ERROR_CHARACTERS = 1_000

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def error_code(error: BaseException) -> str:
    """The code of the contract that an error carries; PROCESSING_ERROR for an error without one."""
    return error.code if isinstance(error, SuiteError) else ErrorCode.PROCESSING_ERROR


def error_text(error: BaseException) -> str:
    """Kind and message of an error, bounded and free of what PostgreSQL's text cannot hold."""
    if isinstance(error, SuiteError):
        said = error.message
    elif isinstance(error, ValidationError):
        said = f"{type(error).__name__}: {'; '.join(validation_reasons(error))}"
    else:
        said = f"{type(error).__name__}: {error}"
    storable = said.encode("utf-8", errors="backslashreplace").decode().replace("\x00", "\\x00")
    return storable[:MAX_ERROR_CHARACTERS]


def traceback_text(error: BaseException) -> str:
    """The traceback of an error and of its causes, each with its ``error_text`` and without any variable."""
    parts = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        inner = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        members = "".join(f"\n  | {traceback_text(one)}" for one in inner)
        parts.append(f"Traceback (most recent call last):\n{frames}{error_text(current)}{members}")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n\nThe above exception was the direct cause of the following exception:\n\n".join(
        reversed(parts)
    )

"""Classifies infrastructure errors: they say nothing about the item that was being worked on."""

from typing import Final

from event_contracts import ExternalServiceError, Unavailable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

RETRY_AFTER_SECONDS: Final = 5.0
"""How long callers are told to wait while something that a service needs is unavailable."""

_INFRASTRUCTURE_CLASSES = {
    "08",  # connection exceptions
    "40",  # serialization failures and deadlocks
    "53",  # insufficient resources: connections, disk, memory
    "57",  # operator intervention: shutdown, restart, cancelled by timeout
    "58",  # system errors: input and output
}
_INFRASTRUCTURE_STATES = {"55P03", "25P03"}
"""Lock not available; idle in transaction for too long."""

_UNSTORABLE_STATES = {"22021", "22P05"}


def is_infrastructure_error(error: BaseException) -> bool:
    """True when the same work may well succeed later: a database, a broker or another service is unavailable.

    Everything else is taken for a fault of the item that was being worked on: repeating it changes nothing.
    """
    if isinstance(error, OSError | TimeoutError | PoolTimeoutError | Unavailable | ExternalServiceError):
        return True
    return is_database_outage(error)


def is_database_outage(error: BaseException) -> bool:
    """True when the database is unavailable, full, or asks to try the same statement again."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    state = sqlstate(error)
    return state is not None and (state[:2] in _INFRASTRUCTURE_CLASSES or state in _INFRASTRUCTURE_STATES)


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, however it is wrapped; None for any other error."""
    for candidate in (error, getattr(error, "orig", None), error.__cause__):
        state = getattr(candidate, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None


def is_unstorable(error: DBAPIError) -> bool:
    """True when a value holds what PostgreSQL's text cannot: a NUL character or a lone surrogate."""
    return sqlstate(error) in _UNSTORABLE_STATES or isinstance(_root(error), UnicodeEncodeError)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error

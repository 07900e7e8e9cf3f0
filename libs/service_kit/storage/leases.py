"""Taking items with a lease, so that one row which cannot be written keeps no other from being taken."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import TextClause
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.storage.errors import is_infrastructure_error

log = structlog.get_logger()


async def leased_keys(
    connection: AsyncConnection, leasing: TextClause, *, due: TextClause, values: Mapping[str, object]
) -> Sequence[Any]:
    """Keys of the items that ``leasing`` updates and returns.

    Where it fails because of a row, the keys of ``due``, which updates nothing: their handler then meets the
    row's error by itself. Until then another replica may take the same items, which costs double work and changes
    nothing.
    """
    try:
        async with connection.begin_nested():
            return (await connection.execute(leasing, values)).scalars().all()
    except DBAPIError as error:
        if is_infrastructure_error(error):
            raise
        log.warning("lease.write_failed", exc_info=error)
    return (await connection.execute(due, values)).scalars().all()

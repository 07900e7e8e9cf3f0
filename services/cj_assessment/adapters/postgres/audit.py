"""The audit of what administrators change."""

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cj_assessment.adapters.postgres.tables import admin_change
from cj_assessment.ports.administration import AdminChange


async def append_audit(connection: AsyncConnection, change: AdminChange) -> None:
    """Keep who has changed what, in the transaction of the change."""
    await connection.execute(
        insert(admin_change).values(
            by=change.by,
            operation=change.operation,
            subject=change.subject,
            before=change.before,
            after=change.after,
        )
    )

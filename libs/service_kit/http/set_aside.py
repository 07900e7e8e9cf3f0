"""Routes for administrators: list the items that a service's workers set aside, and have one tried again."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import structlog
from event_contracts import (
    Conflict,
    ErrorBody,
    NotFound,
    SetAsideItem,
    SetAsideItems,
)
from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import document_response, validate_querystring
from sqlalchemy.ext.asyncio import AsyncConnection

from service_kit.http.bodies import answers
from service_kit.http.permissions import Permission, caller, requires
from service_kit.storage.database import Database
from service_kit.work.failed_items import FailedItem, list_set_aside, set_aside_item, take_back

log = structlog.get_logger()

Reopen = Callable[[str], Awaitable[bool]]
"""Undoes what setting an item aside ended, so that its worker takes it again; False when that is not possible."""

Drop = Callable[[AsyncConnection, str], Awaitable[None]]
"""Deletes what an item stands for, which its worker would take again once the item is off the list."""


async def nothing_to_reopen(_item: str) -> bool:
    """For items whose setting aside ended nothing: their worker takes them again by itself."""
    return True


class SetAsideQuery(BaseModel):
    """Of which worker, and how many at most."""

    worker: Annotated[str, Field(max_length=255)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@dataclass(frozen=True, kw_only=True)
class SetAsideActions:
    """Where the items are, and how each worker's are reopened and dropped.

    Items of a worker without ``reopen`` cannot be replayed; those of one without ``drop`` have ended with their mark.
    """

    database: Database
    reopen: Mapping[str, Reopen]
    drop: Mapping[str, Drop]


def set_aside_api(actions: SetAsideActions) -> Blueprint:
    """The routes, for operators."""
    blueprint = Blueprint("set_aside", __name__, url_prefix="/admin/v1/set-aside")

    @blueprint.get("")
    @validate_querystring(SetAsideQuery)
    @answers(SetAsideItems)
    @requires(Permission.OPERATE)
    async def listing(query_args: SetAsideQuery) -> SetAsideItems:
        """Items that are no longer tried, with the reason."""
        async with actions.database.transaction() as connection:
            found = await list_set_aside(connection, worker=query_args.worker, limit=query_args.limit)
        return SetAsideItems(items=tuple(_view(item) for item in found))

    @blueprint.post("/<worker>/<item>/replay")
    @answers(SetAsideItem, 202)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 409)
    @requires(Permission.OPERATE)
    async def replay(worker: str, item: str) -> SetAsideItem:
        """Have an item tried again, with all its attempts; correct what it failed for first."""
        return _view(await _replay(actions, worker, item))

    @blueprint.delete("/<worker>/<item>")
    @answers(SetAsideItem)
    @document_response(ErrorBody, 404)
    @requires(Permission.OPERATE)
    async def drop(worker: str, item: str) -> SetAsideItem:
        """Take an item off the list: what it stood for has ended and stays so, but a message is deleted unsent."""
        async with actions.database.transaction() as connection:
            found = await take_back(connection, worker=worker, item=item)
            if found is None:
                raise _unknown(worker, item)
            if worker in actions.drop:
                await actions.drop[worker](connection, item)
        log.warning("item.dropped", worker=worker, item=item, by=caller().subject)
        return _view(found)

    return blueprint


def _unknown(worker: str, item: str) -> NotFound:
    return NotFound(f"worker {worker!r} has no set-aside item {item!r}: see GET /admin/v1/set-aside")


async def _replay(actions: SetAsideActions, worker: str, item: str) -> FailedItem:
    async with actions.database.transaction() as connection:
        found = await set_aside_item(connection, worker=worker, item=item)
    if found is None:
        raise _unknown(worker, item)
    # Reopened before it is taken back: a crash in between leaves it listed, and replaying it again does the same.
    if worker not in actions.reopen or not await actions.reopen[worker](item):
        raise Conflict(f"items of worker {worker!r} in this state cannot be replayed: send the work again")
    async with actions.database.transaction() as connection:
        await take_back(connection, worker=worker, item=item)
    log.warning("item.replayed", worker=worker, item=item, by=caller().subject)
    return found


def _view(item: FailedItem) -> SetAsideItem:
    return SetAsideItem(
        worker=item.worker,
        item=item.item,
        attempts=item.attempts,
        error_code=item.error_code,
        error_message=item.error_message,
        first_failed_at=item.first_failed_at,
        set_aside_at=item.set_aside_at or item.last_failed_at,
    )

"""Routes for administrators: outgoing messages that were given up, listed, sent again or dropped."""

from dataclasses import dataclass
from typing import Annotated, Final

import structlog
from event_contracts import (
    MAX_INTEGER,
    ErrorBody,
    GivenUp,
    GivenUpMessages,
    NotFound,
)
from pydantic import BaseModel, Field
from quart import Blueprint
from quart_schema import document_response, validate_querystring

from service_kit.http.bodies import answers
from service_kit.http.permissions import Permission, caller, requires
from service_kit.messaging.given_up import (
    GivenUpMessage,
    drop_given_up,
    given_up_message,
    list_given_up,
    send_again,
)
from service_kit.storage.database import Database

log = structlog.get_logger()

SHOWN_CHARACTERS: Final = 100_000


class GivenUpQuery(BaseModel):
    """To which topic or address, and how many at most."""

    destination: Annotated[str, Field(max_length=2_000)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


@dataclass(frozen=True, kw_only=True)
class GivenUpActions:
    """Where the messages are."""

    database: Database


def given_up_api(actions: GivenUpActions) -> Blueprint:
    """The routes, for operators."""
    blueprint = Blueprint("given_up", __name__, url_prefix="/admin/v1/given-up")

    @blueprint.get("")
    @validate_querystring(GivenUpQuery)
    @answers(GivenUpMessages)
    @requires(Permission.OPERATE)
    async def listing(query_args: GivenUpQuery) -> GivenUpMessages:
        """Messages that are no longer sent, with the reason."""
        async with actions.database.transaction() as connection:
            found = await list_given_up(
                connection, destination=query_args.destination, limit=query_args.limit
            )
        return GivenUpMessages(items=tuple(_view(message) for message in found))

    @blueprint.get("/<int:message_id>")
    @answers(GivenUp)
    @document_response(ErrorBody, 404)
    @requires(Permission.OPERATE)
    async def show(message_id: int) -> GivenUp:
        """One message with what it says."""
        return _view(await _found(actions, message_id))

    @blueprint.post("/<int:message_id>/replay")
    @answers(GivenUp, 202)
    @document_response(ErrorBody, 404)
    @requires(Permission.OPERATE)
    async def replay(message_id: int) -> GivenUp:
        """Have a message sent again: the same bytes, the same event id."""
        found = await _found(actions, message_id)
        async with actions.database.transaction() as connection:
            if not await send_again(connection, message_id):
                raise _unknown(message_id)
        log.warning("message.replayed", event_id=str(found.event_id), by=caller().subject)
        return _view(found)

    @blueprint.delete("/<int:message_id>")
    @answers(GivenUp)
    @document_response(ErrorBody, 404)
    @requires(Permission.OPERATE)
    async def drop(message_id: int) -> GivenUp:
        """Delete a message; it will not be delivered."""
        found = await _found(actions, message_id)
        async with actions.database.transaction() as connection:
            if not await drop_given_up(connection, message_id):
                raise _unknown(message_id)
        log.warning("message.dropped", event_id=str(found.event_id), by=caller().subject)
        return _view(found)

    return blueprint


async def _found(actions: GivenUpActions, message_id: int) -> GivenUpMessage:
    if message_id <= MAX_INTEGER:
        async with actions.database.transaction() as connection:
            found = await given_up_message(connection, message_id)
        if found is not None:
            return found
    raise _unknown(message_id)


def _unknown(message_id: int) -> NotFound:
    return NotFound(f"no message {str(message_id)[:20]} was given up: see GET /admin/v1/given-up")


def _view(message: GivenUpMessage) -> GivenUp:
    value = None
    if message.value is not None:
        value = message.value.decode(errors="backslashreplace")[:SHOWN_CHARACTERS].replace("\x00", "")
    return GivenUp(
        id=message.id,
        event_id=str(message.event_id),
        transport=message.transport,
        destination=message.destination,
        key=message.key,
        attempts=message.attempts,
        last_error=message.last_error or "",
        created_at=message.created_at,
        given_up_at=message.given_up_at,
        size=message.size,
        value=value,
    )

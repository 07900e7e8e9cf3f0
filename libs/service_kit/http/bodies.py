"""Bodies of requests and answers: read within limits that come before any parsing, written in one step."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

from event_contracts import MAX_MESSAGE_VALUES, InvalidRequest, holds_too_many_values
from pydantic import BaseModel, ValidationError
from quart import Response, request
from quart_schema import document_request, document_response

from service_kit.http.edge import BODY_KEY, MAX_BYTES_ATTRIBUTE
from service_kit.http.error_answers import INVALID_JSON

MAX_BODY_BYTES: Final = 256 * 1024
"""Of a route that names no limit of its own."""

COUNTED_INLINE_BYTES: Final = 64 * 1024

ModelT = TypeVar("ModelT", bound=BaseModel)
Arguments = ParamSpec("Arguments")
View = TypeVar("View", bound=Callable[..., Awaitable[Any]])


def max_body_bytes(limit: int) -> Callable[[View], View]:
    """Let a route read bodies of up to ``limit`` bytes; a larger one is answered with 413 before it is parsed."""

    def mark(view: View) -> View:
        setattr(view, MAX_BYTES_ATTRIBUTE, limit)
        return view

    return mark


def takes(model: type[ModelT], *, max_bytes: int = MAX_BODY_BYTES) -> Callable[[View], Callable[..., Any]]:
    """Give a route its JSON body as ``data``, and document it; one that does not fit is ``InvalidRequest``."""

    def decorate(view: View) -> Callable[..., Any]:
        @document_request(model)
        @max_body_bytes(max_bytes)
        @wraps(view)
        async def reading(*args: Any, **kwargs: Any) -> Any:
            return await view(*args, data=await json_body(model), **kwargs)

        return reading

    return decorate


def answers(
    model: type[ModelT], status: int = 200
) -> Callable[[Callable[Arguments, Awaitable[ModelT]]], Callable[Arguments, Awaitable[Response]]]:
    """Answer with the model that a route returns, and document it."""

    def decorate(
        view: Callable[Arguments, Awaitable[ModelT]],
    ) -> Callable[Arguments, Awaitable[Response]]:
        @document_response(model, status)
        @wraps(view)
        async def answering(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Response:
            body = (await view(*args, **kwargs)).model_dump_json()
            return Response(body, status, content_type="application/json")

        return answering

    return decorate


async def request_body() -> bytes:
    """The bytes of the request being answered, exactly as they came."""
    body = cast("dict[str, bytes]", request.scope).get(BODY_KEY)
    if body is not None:
        return body
    # An application without the edge, such as a receiver of callbacks in a test.
    data = await request.get_data(as_text=False)
    return data if isinstance(data, bytes) else data.encode()


async def json_body(model: type[ModelT]) -> ModelT:
    """The body of the request being answered, in one step from its bytes; raises ``InvalidRequest``."""
    body = await json_bytes()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise InvalidRequest.of(error) from error


async def json_bytes() -> bytes:
    """The body of the request being answered, to be parsed as JSON.

    Raises ``InvalidRequest`` for another content type, and for more values than one body may hold.
    """
    if not request.is_json:
        raise InvalidRequest(INVALID_JSON)
    body = await request_body()
    if len(body) <= COUNTED_INLINE_BYTES:
        check_values(body)
    else:
        await asyncio.to_thread(check_values, body)
    return body


def check_values(body: bytes) -> None:
    """Raise ``InvalidRequest`` for JSON of more values than one body may hold."""
    if holds_too_many_values(body):
        raise InvalidRequest(f"the body holds more than {MAX_MESSAGE_VALUES} values: send it in parts")

"""The service's HTTP routes for those responsible for personal data: forget a batch, export what is held of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from event_contracts import ErasureAnswer, Identifier
from pydantic import BaseModel
from quart import Blueprint, Response
from quart_schema import validate_querystring
from service_kit.http.bodies import answers
from service_kit.http.permissions import Permission, caller, requires


class ForgetQuery(BaseModel):
    """With `everything`, the requests and their calls are deleted, not only their texts."""

    everything: bool = False


class ExportQuery(BaseModel):
    """With `essay_id`, only the requests in which that essay is compared, without their prompts."""

    essay_id: Identifier | None = None


@dataclass(frozen=True, kw_only=True)
class PrivacyActions:
    """What the routes call."""

    forget: Callable[..., Awaitable[ErasureAnswer]]
    export: Callable[..., AsyncIterator[bytes]]


def privacy_api(actions: PrivacyActions) -> Blueprint:
    """The routes, for administrators and for CJ Assessment, whose batches they are."""
    blueprint = Blueprint("privacy", __name__, url_prefix="/admin/v1/batches")

    @blueprint.delete("/<batch_id>")
    @validate_querystring(ForgetQuery)
    @answers(ErasureAnswer)
    @requires(Permission.FORGET)
    async def forget(batch_id: str, query_args: ForgetQuery) -> ErasureAnswer:
        """Delete prompts, reasons and what else callers sent of a batch; open requests are cancelled.

        Repeat it until nothing is outstanding. A batch of which nothing is held is answered with zeros.
        """
        return await actions.forget(batch_id, everything=query_args.everything, by=caller().subject)

    @blueprint.get("/<batch_id>/export")
    @validate_querystring(ExportQuery)
    @requires(Permission.FORGET)
    async def export(batch_id: str, query_args: ExportQuery) -> Response:
        """Every request of a batch with its calls, as one JSON document."""
        pieces = actions.export(batch_id, essay_id=query_args.essay_id)
        response = Response(pieces, content_type="application/json")
        response.timeout = None  # as long as its reader takes
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint

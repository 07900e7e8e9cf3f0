"""The service's HTTP routes for administrators responsible for personal data: forget a batch, export what is held."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from event_contracts import ErasureView, ErrorBody
from pydantic import BaseModel
from quart import Blueprint, Response
from quart_schema import document_response, validate_querystring
from service_kit.http.bodies import answers
from service_kit.http.permissions import Permission, caller, requires

from cj_assessment.domain.batch import BatchId
from cj_assessment.domain.erasure import Erasure

IdT = TypeVar("IdT", contravariant=True)


class ForgetsBatches(Protocol):
    """Forgets a batch in the name of ``by``."""

    def __call__(self, batch_id: BatchId, /, *, everything: bool, by: str) -> Awaitable[Erasure]: ...


class Exports(Protocol[IdT]):
    """Gives a document in pieces to ``by``."""

    def __call__(self, identity: IdT, /, *, by: str) -> Awaitable[AsyncIterator[bytes]]: ...


class ForgetQuery(BaseModel):
    """With `everything`, scores, grades and ids are deleted as well."""

    everything: bool = False


@dataclass(frozen=True, kw_only=True)
class PrivacyActions:
    """What the routes call."""

    forget: ForgetsBatches
    erasure: Callable[[BatchId], Awaitable[Erasure]]
    export_batch: Exports[BatchId]
    export_essay: Exports[str]


def privacy_api(actions: PrivacyActions) -> Blueprint:
    """The routes, for administrators."""
    blueprint = Blueprint("privacy", __name__, url_prefix="/admin/v1")

    @blueprint.delete("/batches/<batch_id>")
    @validate_querystring(ForgetQuery)
    @answers(ErasureView, 202)
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 409)
    @requires(Permission.ADMINISTER)
    async def forget(batch_id: str, query_args: ForgetQuery) -> ErasureView:
        """Forget a batch: texts, prompts, raw answers and names, here, at the LLM Provider and in the content store.

        Here they are gone with the answer; `waiting_for` names who has still to do it. Repeating it changes nothing.
        """
        erasure = await actions.forget(
            BatchId(batch_id), everything=query_args.everything, by=caller().subject
        )
        return _view(erasure)

    @blueprint.get("/batches/<batch_id>/erasure")
    @answers(ErasureView)
    @document_response(ErrorBody, 404)
    @requires(Permission.ADMINISTER)
    async def erasure(batch_id: str) -> ErasureView:
        """Status of a batch's erasure."""
        return _view(await actions.erasure(BatchId(batch_id)))

    @blueprint.get("/batches/<batch_id>/export")
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 502)
    @requires(Permission.ADMINISTER)
    async def export_batch(batch_id: str) -> Response:
        """Everything that is held about a batch, here and at the LLM Provider, as one JSON document."""
        document = await actions.export_batch(BatchId(batch_id), by=caller().subject)
        return _download(document, name="batch")

    @blueprint.get("/essays/<essay_id>/export")
    @document_response(ErrorBody, 404)
    @document_response(ErrorBody, 502)
    @requires(Permission.ADMINISTER)
    async def export_essay(essay_id: str) -> Response:
        """Everything that is held under an essay's id, in whatever batch, without the essays it was compared with."""
        document = await actions.export_essay(essay_id, by=caller().subject)
        return _download(document, name="essay")

    return blueprint


def _view(erasure: Erasure) -> ErasureView:
    return ErasureView(
        batch_id=erasure.batch_id,
        everything=erasure.everything,
        requested_by=erasure.requested_by,
        requested_at=erasure.requested_at,
        completed_at=erasure.completed_at,
        waiting_for=erasure.waiting_for,
        requests_erased=erasure.requests_erased,
        texts_kept_elsewhere=erasure.kept_elsewhere,
    )


def _download(document: AsyncIterator[bytes], *, name: str) -> Response:
    response = Response(document, content_type="application/json")
    response.timeout = None  # as long as its reader takes
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.json"'
    response.headers["Cache-Control"] = "no-store"
    return response

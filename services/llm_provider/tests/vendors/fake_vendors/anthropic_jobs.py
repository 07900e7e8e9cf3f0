"""Anthropic's Message Batches."""

from collections.abc import Mapping
from datetime import timedelta

import orjson
from event_contracts import JsonObject
from llm_provider.tests.vendors.fake_vendors.anthropic import Anthropic
from llm_provider.tests.vendors.fake_vendors.dialect import new_id, now
from llm_provider.tests.vendors.fake_vendors.jobs import Job, JobEnd
from llm_provider.tests.vendors.fake_vendors.responses import (
    in_pieces,
    json_lines,
    json_response,
    lower_headers,
    require_key,
)
from llm_provider.tests.vendors.fake_vendors.scenario import Answer, Behaviour, Failure, Raw, Received
from llm_provider.tests.vendors.fake_vendors.state import PREFIXES, FakeVendors
from quart import Blueprint, Response, request

_DIALECT = Anthropic()


def anthropic_jobs(vendors: FakeVendors) -> Blueprint:
    """The routes."""
    routes = Blueprint("anthropic_jobs", __name__, url_prefix=f"{PREFIXES['anthropic']}/v1/messages/batches")
    require_key(routes, _DIALECT)

    @routes.post("")
    async def create() -> Response:
        requests = orjson.loads(await request.get_data())["requests"]
        headers = lower_headers()
        items = [(item["custom_id"], _received(item["params"], headers)) for item in requests]
        return json_response(_view(vendors.new_job(new_id("msgbatch_"), items)))

    @routes.get("/<job_id>")
    async def view(job_id: str) -> Response:
        return json_response(_view(vendors.look_at(job_id)))

    @routes.post("/<job_id>/cancel")
    async def cancel(job_id: str) -> Response:
        vendors.jobs[job_id].cancelled = True
        return json_response(_view(vendors.jobs[job_id]))

    @routes.get("/<job_id>/results")
    async def results(job_id: str) -> Response:
        content = json_lines(_results(vendors.look_at(job_id)))
        return in_pieces(content, breaks_off=vendors.breaks_off_files)

    return routes


def _received(params: JsonObject, headers: Mapping[str, str]) -> Received:
    return Received(
        vendor="anthropic",
        path="/v1/messages",
        headers=headers,
        body=params,
        size=len(orjson.dumps(params)),
        in_batch=True,
    )


def _view(job: Job) -> JsonObject:
    created, counts = now(), _counts(job)
    return {
        "id": job.id,
        "type": "message_batch",
        "processing_status": "in_progress" if job.running else "ended",
        "request_counts": counts,
        "created_at": created.isoformat(),
        "expires_at": (created + timedelta(days=1)).isoformat(),
        "ended_at": None if job.running else created.isoformat(),
        "cancel_initiated_at": created.isoformat() if job.cancelled else None,
        "archived_at": None,
        "results_url": None if job.running else f"/v1/messages/batches/{job.id}/results",
    }


def _counts(job: Job) -> JsonObject:
    counts: dict[str, int] = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    if job.running:
        counts["processing"] = len(job.items)
    else:
        for line in _results(job):
            result = line["result"]
            assert isinstance(result, dict), "every line has a result"
            counts[str(result["type"])] += 1
    return {**counts}


def _results(job: Job) -> list[JsonObject]:
    if job.cancelled:
        return [_line(key, {"type": "canceled"}) for key, _ in job.items]
    if job.end is not JobEnd.ENDED:
        return [_line(key, {"type": "expired"}) for key, _ in job.items]
    return [_line(key, _result(item, behaviour)) for key, item, behaviour in job.outcomes]


def _line(key: str, result: JsonObject) -> JsonObject:
    return {"custom_id": key, "result": result}


def _result(item: Received, behaviour: Behaviour) -> JsonObject:
    if _DIALECT.objects(item):
        behaviour = Failure(status=400)
    match behaviour:
        case Answer():
            return {"type": "succeeded", "message": _DIALECT.answer(item, behaviour)}
        case Failure():
            return {"type": "errored", "error": _DIALECT.error(item, behaviour)}
        case Raw(body=body):
            return {"type": "succeeded", "message": orjson.loads(body)}
        case _:
            return {"type": "expired"}

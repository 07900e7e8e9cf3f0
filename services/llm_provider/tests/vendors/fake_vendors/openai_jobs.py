"""OpenAI's files and batches."""

import orjson
from event_contracts import JsonObject
from llm_provider.tests.vendors.fake_vendors.dialect import new_id, now
from llm_provider.tests.vendors.fake_vendors.jobs import Job, JobEnd
from llm_provider.tests.vendors.fake_vendors.openai import OpenAi
from llm_provider.tests.vendors.fake_vendors.responses import (
    in_pieces,
    json_lines,
    json_response,
    require_key,
)
from llm_provider.tests.vendors.fake_vendors.scenario import Answer, Behaviour, Failure, Raw, Received
from llm_provider.tests.vendors.fake_vendors.state import PREFIXES, FakeVendors
from quart import Blueprint, Response, request

_DIALECT = OpenAi()


def openai_jobs(vendors: FakeVendors) -> Blueprint:
    """The routes."""
    routes = Blueprint("openai_jobs", __name__, url_prefix=f"{PREFIXES['openai']}/v1")
    require_key(routes, _DIALECT)

    @routes.post("/files")
    async def upload() -> Response:
        content = (await request.files)["file"].read()
        form = await request.form
        assert form["purpose"] == "batch", "a batch reads files of this purpose alone"
        lifetime = int(form["expires_after[seconds]"]) if "expires_after[seconds]" in form else None
        return json_response(_file(vendors.keep_file("file-", content), len(content), lifetime))

    @routes.get("/files/<file_id>/content")
    async def download(file_id: str) -> Response:
        content = vendors.files[file_id]
        return in_pieces(content, breaks_off=vendors.breaks_off_files)

    @routes.post("/batches")
    async def create() -> Response:
        job = orjson.loads(await request.get_data())
        lines = [orjson.loads(line) for line in vendors.files[job["input_file_id"]].splitlines()]
        items = [(line["custom_id"], _received(line)) for line in lines]
        return json_response(_view(vendors, vendors.new_job(new_id("batch_"), items)))

    @routes.get("/batches/<job_id>")
    async def view(job_id: str) -> Response:
        return json_response(_view(vendors, vendors.look_at(job_id)))

    @routes.post("/batches/<job_id>/cancel")
    async def cancel(job_id: str) -> Response:
        vendors.jobs[job_id].cancelled = True
        return json_response(_view(vendors, vendors.jobs[job_id]))

    return routes


def _received(line: JsonObject) -> Received:
    body = line["body"]
    assert isinstance(body, dict), "a line holds a request"
    assert (line["method"], line["url"]) == ("POST", "/v1/responses"), "and says where it goes"
    size = len(orjson.dumps(body))
    return Received(vendor="openai", path="/v1/responses", headers={}, body=body, size=size, in_batch=True)


def _file(file_id: str, size: int, lifetime: int | None) -> JsonObject:
    created = int(now().timestamp())
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": created,
        "expires_at": None if lifetime is None else created + lifetime,
        "filename": "comparisons.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _view(vendors: FakeVendors, job: Job) -> JsonObject:
    answered, failed = _results(job)
    status = _status(job)
    problems: JsonObject = {
        "object": "list",
        "data": [{"code": "invalid_json_line", "message": "line 1", "line": 1}],
    }
    return {
        "id": job.id,
        "object": "batch",
        "endpoint": "/v1/responses",
        "completion_window": "24h",
        "created_at": int(now().timestamp()),
        "input_file_id": "file-input",
        "status": status,
        "errors": problems if status == "failed" else None,
        "output_file_id": vendors.keep_file("file-", json_lines(answered)) if answered else None,
        "error_file_id": vendors.keep_file("file-", json_lines(failed)) if failed else None,
        "request_counts": {"total": len(job.items), "completed": len(answered), "failed": len(failed)},
        "metadata": None,
    }


def _status(job: Job) -> str:
    if job.cancelled:
        return "cancelled"
    if job.running:
        return "in_progress"
    return {JobEnd.ENDED: "completed", JobEnd.FAILED: "failed", JobEnd.EXPIRED: "expired"}[job.end]


def _results(job: Job) -> tuple[list[JsonObject], list[JsonObject]]:
    """The lines of the file of answers and of the file of errors."""
    if job.cancelled:
        return [], [_unanswered(key, "batch_cancelled") for key, _ in job.items]
    if job.running or job.end is JobEnd.FAILED:
        return [], []
    if job.end is JobEnd.EXPIRED:
        return [], [_unanswered(key, "batch_expired") for key, _ in job.items]
    lines = [(_line(key, item, behaviour), behaviour) for key, item, behaviour in job.outcomes]
    answered = [line for line, behaviour in lines if isinstance(behaviour, Answer)]
    return answered, [line for line, behaviour in lines if not isinstance(behaviour, Answer)]


def _line(key: str, item: Received, behaviour: Behaviour) -> JsonObject:
    match behaviour:
        case Answer():
            return _answered(key, 200, _DIALECT.answer(item, behaviour))
        case Failure(status=status):
            return _answered(key, status, _DIALECT.error(item, behaviour))
        case Raw(body=body, status=status):
            return _answered(key, status, orjson.loads(body))
        case _:
            return _unanswered(key, "batch_expired")


def _answered(key: str, status: int, body: JsonObject) -> JsonObject:
    response: JsonObject = {"status_code": status, "request_id": new_id("req_"), "body": body}
    return {"id": new_id("batch_req_"), "custom_id": key, "response": response, "error": None}


def _unanswered(key: str, code: str) -> JsonObject:
    error: JsonObject = {"code": code, "message": "This request could not be executed."}
    return {"id": new_id("batch_req_"), "custom_id": key, "response": None, "error": error}

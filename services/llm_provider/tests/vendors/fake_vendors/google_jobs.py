"""Google's files and batch jobs."""

import orjson
from event_contracts import JsonObject
from llm_provider.tests.vendors.fake_vendors.dialect import new_id, now
from llm_provider.tests.vendors.fake_vendors.google import Google
from llm_provider.tests.vendors.fake_vendors.jobs import Job, JobEnd
from llm_provider.tests.vendors.fake_vendors.responses import (
    in_pieces,
    json_lines,
    json_response,
    require_key,
)
from llm_provider.tests.vendors.fake_vendors.scenario import Answer, Behaviour, Failure, Raw, Received
from llm_provider.tests.vendors.fake_vendors.state import PREFIXES, FakeVendors
from quart import Blueprint, Response, request

_DIALECT = Google()
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14, 504: 4}
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main"


def google_jobs(vendors: FakeVendors) -> Blueprint:
    """The routes."""
    routes = Blueprint("google_jobs", __name__, url_prefix=PREFIXES["google"])
    require_key(routes, _DIALECT)

    @routes.post("/upload/v1/files")
    async def upload() -> Response:
        steps = ("x-goog-upload-protocol", "x-goog-upload-command", "x-goog-upload-offset")
        match [request.headers.get(step) for step in steps]:
            case ["resumable", "start", None]:
                place = f"{vendors.url('google')}/upload/v1/files?upload_id={new_id('')}"
                said = {"x-goog-upload-url": place, "x-goog-upload-status": "active"}
                return json_response({}, headers=said)
            case [_, "upload, finalize", "0"]:
                content: bytes = await request.get_data()  # type: ignore[assignment] # text only if asked for
                file: JsonObject = {"file": _file(vendors.keep_file("files/", content), len(content))}
                return json_response(file, headers={"x-goog-upload-status": "final"})
        return json_response({"error": {"code": 400, "status": "INVALID_ARGUMENT"}}, status=400)

    @routes.get("/v1/files/<file_id>:download")
    async def download(file_id: str) -> Response:
        content = vendors.files[f"files/{file_id}"]
        return in_pieces(content, breaks_off=vendors.breaks_off_files)

    @routes.post("/v1/models/<model>:batchGenerateContent")
    async def create(model: str) -> Response:
        source = orjson.loads(await request.get_data())["batch"]["inputConfig"]["fileName"]
        lines = [orjson.loads(line) for line in vendors.files[source].splitlines()]
        items = [(line["key"], _received(model, line["request"])) for line in lines]
        return json_response(_view(vendors, vendors.new_job(new_id("batches/"), items)))

    @routes.get("/v1/batches/<job_id>")
    async def view(job_id: str) -> Response:
        return json_response(_view(vendors, vendors.look_at(f"batches/{job_id}")))

    @routes.post("/v1/batches/<job_id>:cancel")
    async def cancel(job_id: str) -> Response:
        vendors.jobs[f"batches/{job_id}"].cancelled = True
        return json_response({})

    return routes


def _received(model: str, body: JsonObject) -> Received:
    path = f"/v1/models/{model}:generateContent"
    size = len(orjson.dumps(body))
    return Received(vendor="google", path=path, headers={}, body=body, size=size, in_batch=True)


def _file(name: str, size: int) -> JsonObject:
    return {
        "name": name,
        "displayName": "comparisons",
        "mimeType": "application/jsonl",
        "sizeBytes": str(size),
        "createTime": now().isoformat(),
        "state": "ACTIVE",
        "source": "UPLOADED",
    }


def _view(vendors: FakeVendors, job: Job) -> JsonObject:
    lines = [_line(key, item, behaviour) for key, item, behaviour in job.outcomes]
    output: JsonObject = {"responsesFile": vendors.keep_file("files/", json_lines(lines))} if lines else {}
    metadata: JsonObject = {
        "@type": f"{_TYPE}.GenerateContentBatch",
        "name": job.id,
        "model": job.items[0][1].path.removeprefix("/v1/").partition(":")[0],
        "displayName": "comparisons",
        "state": f"BATCH_STATE_{_state(job)}",
        "createTime": now().isoformat(),
        "updateTime": now().isoformat(),
        "batchStats": {"requestCount": str(len(job.items))},
        **({"output": output} if output else {}),
    }
    done = not job.running
    view: JsonObject = {"name": job.id, "metadata": metadata, **({"done": True} if done else {})}
    if done and job.end is JobEnd.FAILED:
        return {**view, "error": {"code": 3, "message": "line 1 is no request", "status": "INVALID_ARGUMENT"}}
    return (
        {**view, "response": {"@type": f"{_TYPE}.GenerateContentBatchOutput", **output}} if output else view
    )


def _state(job: Job) -> str:
    if job.cancelled:
        return "CANCELLED"
    if job.running:
        return "RUNNING"
    return {JobEnd.ENDED: "SUCCEEDED", JobEnd.FAILED: "FAILED", JobEnd.EXPIRED: "EXPIRED"}[job.end]


def _line(key: str, item: Received, behaviour: Behaviour) -> JsonObject:
    match behaviour:
        case Answer():
            return {"key": key, "response": _DIALECT.answer(item, behaviour)}
        case Failure(status=status):
            return {"key": key, "error": {"code": _RPC_CODES.get(status, 2), "message": str(item.body)}}
        case Raw(body=body):
            return {"key": key, "response": orjson.loads(body)}
        case _:
            return {"key": key, "error": {"code": 4, "message": "The deadline was exceeded."}}

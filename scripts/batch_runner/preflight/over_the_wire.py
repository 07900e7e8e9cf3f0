"""What a run needs of the services and the broker, asked of them as a run would."""

import asyncio
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import httpx2
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from command_line.finding import Finding, clock, failed, not_checked, passed
from event_contracts import (
    AssignmentAnchors,
    ContentStored,
    InstructionView,
    InvalidLlmConfig,
    Topic,
)
from pydantic import ValidationError

from batch_runner.assignment.contents import Assignment
from batch_runner.planning.judges import resolve_judge
from batch_runner.wire.judges_state import READY, Providers
from batch_runner.wire.kafka import KINDS

TIMEOUT_SECONDS: Final = 10.0
PROBE: Final = "A text with which cj-run preflight tries whether texts can be stored."
_LOG_IN: Final = "log in with cj-admin login, or set CJ_ADMIN_TOKEN to a token with the role runner"


async def service(http: httpx2.AsyncClient, title: str, url: str) -> list[Finding]:
    """Whether a service can do its work now (database, broker and migrations are its own checks), and its clock."""
    try:
        answer = await http.get(f"{url}/readyz")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        said = f"no answer from {url} ({type(error).__name__}): start it, or give its address"
        return [failed(title, said)]
    if not answer.is_success:
        return [failed(title, f"{url} is not ready: {_said(answer)}")]
    found = [passed(title, f"{url} is ready")]
    if "date" in answer.headers:
        found.append(clock(f"clock of {title}", parsedate_to_datetime(answer.headers["date"])))
    return found


async def access(http: httpx2.AsyncClient, url: str) -> list[Finding]:
    """Whether the token may run batches, and whether it may administer, which instructions and their like need."""
    run = await http.get(f"{url}/api/v1/batches/{uuid4()}")
    admin = await http.get(f"{url}/admin/v1/grade-scales")
    may_run = run.status_code == httpx2.codes.NOT_FOUND
    return [
        passed("access to runs", "the token may start and follow batches")
        if may_run
        else failed("access to runs", f"answered with {run.status_code}: {_said(run)}; {_LOG_IN}"),
        passed("admin access", "the token may administer")
        if admin.is_success
        else not_checked(
            "admin access",
            f"the token may not administer ({admin.status_code}): needed by cj-admin, not by runs",
        ),
    ]


async def content_store(http: httpx2.AsyncClient, url: str) -> list[Finding]:
    """Whether a text can be stored and is the same when it is fetched; the same text is stored once."""
    what = "content store"
    answer = await http.post(
        f"{url}/v1/content", content=PROBE.encode(), headers={"content-type": "text/plain; charset=utf-8"}
    )
    if not answer.is_success:
        return [failed(what, f"a text is not accepted ({answer.status_code}): {_said(answer)}")]
    stored = ContentStored.model_validate_json(answer.content)
    fetched = await http.get(f"{url}/v1/content/{quote(stored.storage_id, safe='')}")
    if fetched.content != PROBE.encode():
        return [failed(what, "a text is not the same when it is fetched: see the service's log")]
    return [passed(what, "a text was stored and fetched")]


async def judge(
    http: httpx2.AsyncClient, url: str, *, provider: str | None, model: str | None
) -> list[Finding]:
    """Whether the model is in the manifest, and what the LLM Provider knows of its endpoint."""
    try:
        resolved = resolve_judge(provider, model)
    except InvalidLlmConfig as error:
        return [failed("model", error.message)]
    name = f"{resolved.provider}/{resolved.model}"
    found = [passed("model", "; ".join((f"{name} is in the manifest", *resolved.warnings)))]
    what = f"endpoint of {resolved.provider}"
    try:
        answer = await http.get(f"{url}/api/v1/providers")
        providers = Providers.model_validate_json(answer.content).providers if answer.is_success else ()
    except (httpx2.HTTPError, httpx2.InvalidURL, ValidationError) as error:
        return [*found, not_checked(what, f"the LLM Provider at {url} does not say ({type(error).__name__})")]
    if not answer.is_success:
        said = f"the LLM Provider answers {answer.status_code}: its token may not see providers"
        return [*found, not_checked(what, said)]
    known = next((each for each in providers if each.provider == resolved.provider), None)
    if known is None or not known.configured:
        return [
            *found,
            failed(what, "the LLM Provider has no key or address for it: set it, and restart the service"),
        ]
    if not known.enabled or known.state != READY:
        return [*found, failed(what, f"{known.state}: {known.message}")]
    return [*found, passed(what, known.message)]


async def broker(bootstrap: str, *, prefix: str) -> Finding:
    """Whether the broker answers and has the topics that a run writes to and reads from."""
    what = "broker"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await admin.start()
            existing = set(await admin.list_topics())
    except (KafkaError, OSError, TimeoutError) as error:
        return failed(what, f"{bootstrap} does not answer ({type(error).__name__}): check the address")
    finally:
        await admin.close()
    return _topics(what, bootstrap, existing, prefix)


def _topics(what: str, bootstrap: str, existing: Collection[str], prefix: str) -> Finding:
    wanted = [f"{prefix}{topic}" for topic in (Topic.CJ_ASSESSMENT_REQUESTED, *KINDS)]
    missing = [name for name in wanted if name not in existing]
    if missing:
        return failed(what, f"{bootstrap} lacks {', '.join(missing)}: run cj-suite deployment topics")
    return passed(what, f"{bootstrap} answers, with the {len(wanted)} topics of a run")


async def assignment(http: httpx2.AsyncClient, url: str, wanted: Assignment) -> list[Finding]:
    """Whether the service knows the assignment, on the same scale and with the same anchors."""
    if wanted.assignment_id is None:
        return [
            not_checked("assignment", "the folder has no assignment.toml: its essays are ranked, not graded")
        ]
    name = quote(wanted.assignment_id, safe="")
    instructions = await http.get(f"{url}/admin/v1/assessment-instructions/assignment/{name}")
    registered = await http.get(f"{url}/api/v1/anchors/assignment/{name}")
    return [_scale(instructions, wanted), _anchors(registered, wanted)]


def _scale(answer: httpx2.Response, wanted: Assignment) -> Finding:
    what = "assignment"
    if answer.status_code == httpx2.codes.NOT_FOUND:
        return not_checked(
            what, f"{wanted.assignment_id} has no instructions on record: those of the folder are sent"
        )
    if not answer.is_success:
        return not_checked(what, f"its instructions cannot be seen with this token ({answer.status_code})")
    known = InstructionView.model_validate_json(answer.content)
    if wanted.grade_scale is not None and known.grade_scale != wanted.grade_scale:
        return failed(
            what,
            f"it is registered on {known.grade_scale}, the folder is on {wanted.grade_scale}: correct one",
        )
    return passed(what, f"{wanted.assignment_id} is registered on {known.grade_scale}")


def _anchors(answer: httpx2.Response, wanted: Assignment) -> Finding:
    what = "anchors"
    if not answer.is_success:
        return not_checked(what, f"they cannot be seen ({answer.status_code}): {_said(answer)}")
    known = {
        each.anchor_label: each for each in AssignmentAnchors.model_validate_json(answer.content).anchors
    }
    missing = [each.label for each in wanted.anchors if each.label not in known]
    if missing:
        said = f"{len(missing)} of {len(wanted.anchors)} are not registered, {missing[0]} first"
        return not_checked(what, f"{said}: execute registers them, and so does cj-run register-anchors")
    other = [
        each.label
        for each in wanted.anchors
        if (known[each.label].grade, known[each.label].grade_scale) != (each.grade, wanted.grade_scale)
    ]
    if other:
        return failed(
            what, f"{', '.join(other[:5])}: registered with another grade or scale; register them again"
        )
    return passed(what, f"{len(wanted.anchors)} are registered on {wanted.grade_scale}")


def _said(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200] or "nothing"

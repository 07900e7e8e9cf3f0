"""What the conductor's routes answer to input that cannot be kept or handled: never a 5xx, never an echo."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from batch_conductor.assembly import assemble
from batch_conductor.settings import Settings
from batch_conductor.tests.serving import SECRET
from pydantic import SecretStr
from service_kit.messaging.event_bus import MemoryEventBus
from service_kit.tests.fuzzing import fuzz
from service_kit.tests.live import Live, live
from service_kit.tests.malformed import DEEP, JSON, STRANGE_IDS, Malformed, assert_documented
from service_kit.tests.ports import free_port
from service_kit.tests.tokens import SHARED_SECRET

DEFINE = "/internal/v1/pipelines/define"
BODY: dict[str, Any] = {
    "batch_id": "batch-1",
    "requested_pipeline": "nlp",
    "correlation_id": "run-1",
    "batch_metadata": {"prompt_attached": True},
}


@pytest.fixture(scope="module")
def service(make_database: Callable[[str], str]) -> Iterator[Live]:
    settings = Settings(
        database_url=make_database("malformed"),
        event_bus="memory",
        http_port=free_port(),
        callback_signing_secret=SECRET,
        jwt_secret=SecretStr(SHARED_SECRET),
    )
    with live(lambda: assemble(settings, bus=MemoryEventBus())) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Live) -> Iterator[httpx2.Client]:
    with service.client() as client:
        yield client


def define(what: str, **changes: Any) -> Malformed:
    return Malformed(what=what, path=DEFINE, body={**BODY, **changes})


CASES = (
    *(
        define(f"batch id {what}", batch_id=value)
        for what, value in (
            ("empty", ""),
            ("256", "x" * 256),
            ("3,000", "x" * 3_000),
            ("NUL", "a\x00b"),
            ("surrogate", "\ud800"),
            ("slash", "a/b"),
            ("dots", ".."),
            ("number", 7),
            ("null", None),
        )
    ),
    *(
        define(f"correlation id {what}", correlation_id=value)
        for what, value in (("101", "x" * 101), ("NUL", "\x00"))
    ),
    define("an unknown phase", requested_pipeline="x" * 70_000),
    *(
        define(f"metadata {what}", batch_metadata=value)
        for what, value in (
            ("too deep", {"a": DEEP}),
            ("outside 64 bits", {"a": 2**63}),
            ("400 digits", {"a": 10**400}),
            ("NUL", {"a": "\x00"}),
            ("surrogate", {"a": "\ud800"}),
            ("key", {"\x00": 1}),
            ("an array", []),
            ("a prompt and none", {"prompt_attached": False, "student_prompt_ref": {"references": {}}}),
            (
                "an unknown reference",
                {"student_prompt_ref": {"references": {"x" * 70_000: {"storage_id": "s"}}}},
            ),
            ("a number for a flag", {"prompt_attached": 1}),
        )
    ),
    Malformed(what="not JSON", path=DEFINE, body=b"{", headers=JSON),
    Malformed(what="no type", path=DEFINE, body=b"{}"),
    Malformed(what="NaN", path=DEFINE, body=b'{"batch_id": NaN}', headers=JSON),
    Malformed(what="100,000 brackets", path=DEFINE, body=b"[" * 100_000, headers=JSON),
    Malformed(what="2 MB", path=DEFINE, body=b" " * 2_000_000, headers=JSON, status=413),
    *(
        Malformed(what=what, method="GET", path=f"/internal/v1/batches/{value}/phases", status=(404, 422))
        for what, value in STRANGE_IDS.items()
    ),
    Malformed(what="a slash too many", method="GET", path="/internal/v1/batches//phases", status=404),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_cannot_be_kept_or_handled_is_refused(client: httpx2.Client, case: Malformed) -> None:
    assert_documented(case, case.send(client))


def test_the_longest_batch_id_is_defined_and_read(client: httpx2.Client) -> None:
    batch_id = "å" * 255

    answer = client.post(DEFINE, json={**BODY, "batch_id": batch_id})

    assert answer.status_code == 200, answer.text
    assert client.get(f"/internal/v1/batches/{batch_id}/phases").status_code == 200


def test_schemathesis_finds_no_5xx_and_no_answer_but_the_documented_ones(service: Live) -> None:
    statuses = fuzz(service)

    assert sum(statuses.values()) >= 5, statuses

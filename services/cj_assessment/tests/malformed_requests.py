"""Requests to the assessment service that cannot be kept or handled."""

import json
import time
from pathlib import Path
from typing import Any

import event_contracts
from cj_assessment.tests.building import request
from service_kit.tests.malformed import DEEP, JSON, STRANGE_IDS, Malformed, changed

GOLDEN = Path(event_contracts.__file__).parent / "tests/unit/golden"
RESULT: dict[str, Any] = json.loads((GOLDEN / "LLMComparisonResultV1.json").read_text(encoding="utf-8"))
REQUEST: dict[str, Any] = json.loads(request({"essay-1": "1" * 64, "essay-2": "2" * 64}).to_json())
CALLBACK = "/api/v1/callbacks/comparison-results"
ASSESSMENTS = "/api/v1/assessments"
ANCHOR = {
    "assignment_id": "task-1",
    "grade": "B",
    "essay_text": "word " * 50,
    "anchor_label": "B1",
    "grade_scale": "swedish_8_anchor",
}


def ask(what: str, place: str, value: Any, **expected: Any) -> Malformed:
    """An assessment asked for with one value changed."""
    return Malformed(what=what, path=ASSESSMENTS, body=changed(REQUEST, place, value), **expected)


def hint(name: str, value: Any) -> Malformed:
    """An assessment asked for with this in its metadata."""
    what = f"{name} {str(value)[:30]}"
    return Malformed(what=what, path=ASSESSMENTS, body={**REQUEST, "metadata": {name: value}})


BROKEN_TEXTS = {"NUL": "a\x00b", "surrogate": "\ud800"}
LONG_IDS = {
    "empty": "",
    "300": "x" * 300,
    "3,000": "x" * 3_000,
    "NUL": "a\x00b",
    "surrogate": "\ud800",
    "line end": "a\n",
}
OUTSIDE = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00",
    "9999-06-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
)

PANELS: tuple[Any, ...] = ([], [{}], [{"provider": "mock", "model": "m", "share": 1}] * 9, "x", DEEP)

REQUESTS = (
    *(
        ask(f"{place} {what}", place, value)
        for place in ("data.entity_id", "data.user_id", "data.essays_for_cj.0.essay_id", "data.assignment_id")
        for what, value in LONG_IDS.items()
    ),
    *(
        ask(f"batch id {value!r}", "data.entity_id", value)
        for value in ("a/b", "/", "..", ".", "\u202e", 7, None)
    ),
    *(
        ask(f"{place} {value}", place, value)
        for place in ("event_timestamp", "data.timestamp", "data.system_metadata.started_at")
        for value in OUTSIDE
    ),
    *(
        ask(f"{place} too deep", place, {"a": DEEP})
        for place in (
            "metadata",
            "data.system_metadata.error_info",
            "data.essays_for_cj.0.spellcheck_metrics",
        )
    ),
    *(
        ask(f"{place} outside 64 bits", place, {"a": 10**30})
        for place in (
            "metadata",
            "data.system_metadata.error_info",
            "data.essays_for_cj.0.spellcheck_metrics",
        )
    ),
    *(ask(f"{what} in an object", "metadata", {"a": value}) for what, value in BROKEN_TEXTS.items()),
    *(hint("max_comparisons", value) for value in (0, -1, 2**31, 2**63, 10**30, 1e9, "7")),
    *(
        hint("max_cost_usd", value)
        for value in (0, 1e-10, 5e-324, 1e9, 1e18, 1e300, -1, "NaN", "1e-10", "1e999999")
    ),
    *(hint("target_reliability", value) for value in (0, 1, 1e-400 - 1, 10**400, "x")),
    *(
        hint("callback_url", value)
        for value in (
            "http://",
            "http://\u2488.example.org/",
            "http://xn--/",
            "http://a..example.org/",
            f"http://{'a' * 64}.example.org",
            "http://127.0.0.1/",
            "http://[::1",
            "http://a.example.org:99999/",
            "http://a.example.org:x/",
            "http://" + "a" * 5_000,
            "ftp://a.example.org",
            "http://a.example.org/\x00",
        )
    ),
    *(hint("judge_panel", value) for value in PANELS),
    ask("another language than the course's", "data.language", "sv"),
    ask("a Swedish course in English", "data.course_code", "SV1"),
    ask("an unknown language", "data.language", "x" * 5_000),
    ask("no essays", "data.essays_for_cj", []),
    ask(
        "33,000 essays",
        "data.essays_for_cj",
        [{"essay_id": f"e{n}", "text_storage_id": "t"} for n in range(33_000)],
    ),
    ask("an essay twice", "data.essays_for_cj", [{"essay_id": "e" * 250, "text_storage_id": "t"}] * 5_000),
    ask(
        "a reference of an unknown kind",
        "data.student_prompt_ref",
        {"references": {"x" * 70_000: {"storage_id": "s"}}},
    ),
    ask(
        "a prompt id with NUL",
        "data.student_prompt_ref",
        {"references": {"student_prompt_text": {"storage_id": "\x00"}}},
    ),
    ask("a rubric with NUL", "data.llm_config_overrides", {"judge_rubric_override": "\x00"}),
    ask("a rubric without end", "data.llm_config_overrides", {"judge_rubric_override": "x" * 1_000_001}),
    ask(
        "an unknown model",
        "data.llm_config_overrides",
        {"provider_override": "openai", "model_override": "x" * 255},
    ),
    ask("an unknown provider", "data.llm_config_overrides", {"provider_override": "x" * 3_000}),
    ask("tokens beyond 32 bits", "data.llm_config_overrides", {"max_tokens_override": 2**31}),
    ask("70 kB in an enum", "data.course_code", "x" * 70_000),
    ask("70 kB of a key", "data.system_metadata", {"x" * 70_000: 1}),
    Malformed(what="not JSON", path=ASSESSMENTS, body=b"{", headers=JSON),
    Malformed(what="an array", path=ASSESSMENTS, body=b"[]", headers=JSON),
    Malformed(what="nothing", path=ASSESSMENTS, body=b"", headers=JSON),
    Malformed(what="a lone surrogate", path=ASSESSMENTS, body=b'{"data": "\\ud800"}', headers=JSON),
    Malformed(what="100,000 brackets", path=ASSESSMENTS, body=b"[" * 100_000, headers=JSON),
    Malformed(what="5,000 digits", path=ASSESSMENTS, body=b'{"data": ' + b"1" * 5_000 + b"}", headers=JSON),
    Malformed(what="not UTF-8", path=ASSESSMENTS, body=b'{"data": "\xff"}', headers=JSON),
    Malformed(
        what="a form",
        path=ASSESSMENTS,
        body=b"a=b",
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    Malformed(what="no type", path=ASSESSMENTS, body=json.dumps(REQUEST).encode()),
    Malformed(
        what="more bytes than are read", path=ASSESSMENTS, body=b" " * 9_000_000, headers=JSON, status=413
    ),
)

READS = (
    *(
        Malformed(
            what=f"cursor {value[:30]}", method="GET", path=f"/api/v1/batches/b/comparisons?cursor={value}"
        )
        for value in (
            str(2**63),
            str(10**30),
            "9" * 5_000,
            "-1",
            "x",
            "",
            "%D9%A3",
            "%00",
            "1%0A",
            "x" * 50_000,
        )
    ),
    *(
        Malformed(
            what=f"limit {value[:30]}", method="GET", path=f"/api/v1/batches/b/comparisons?limit={value}"
        )
        for value in ("0", "-1", "1001", str(2**63), "9" * 5_000, "x", "", "%00")
    ),
    *(
        Malformed(what=what, method=method, path=f"/api/v1/{path.format(value)}", status=(404, 422))
        for what, value in STRANGE_IDS.items()
        for method, path in (
            ("GET", "batches/{}"),
            ("GET", "batches/{}/results"),
            ("GET", "batches/{}/comparisons"),
            ("GET", "batches/{}/comparisons.csv"),
            ("GET", "batches/{}/events"),
            ("POST", "batches/{}/cancel"),
            ("GET", "anchors/assignment/{}"),
        )
    ),
    *(
        Malformed(what=what, method="GET", path=f"/v1/content/{value}", status=(404, 422))
        for what, value in STRANGE_IDS.items()
    ),
    Malformed(what="an unknown batch", method="GET", path="/api/v1/batches/unknown", status=404),
    Malformed(what="a slash at the end", method="GET", path="/api/v1/batches/", status=404),
    Malformed(what="another method", method="PUT", path=ASSESSMENTS, status=405),
    Malformed(what="an unknown method", method="MADEUP", path=ASSESSMENTS, status=405),
)

UPLOADS = (
    Malformed(what="nothing", path="/v1/content", body=b"", status=422, code="EMPTY_CONTENT"),
    Malformed(what="JSON", path="/v1/content", body=b"{}", headers=JSON),
    Malformed(
        what="a form",
        path="/v1/content",
        body=b"x",
        headers={"content-type": "multipart/form-data; boundary=x"},
    ),
    Malformed(
        what="Latin-1", path="/v1/content", body=b"x", headers={"content-type": "text/plain; charset=latin-1"}
    ),
    Malformed(what="30 MB", path="/v1/content", body=b"x" * 30_000_000, status=413),
    *(
        Malformed(what=f"{field} {what}", path="/api/v1/anchors/register", body={**ANCHOR, field: value})
        for field in ("assignment_id", "anchor_label", "grade", "grade_scale")
        for what, value in LONG_IDS.items()
    ),
    *(
        Malformed(what=f"text {what}", path="/api/v1/anchors/register", body={**ANCHOR, "essay_text": value})
        for what, value in (("empty", ""), ("NUL", "\x00"), ("surrogate", "\ud800"), ("number", 7))
    ),
    Malformed(
        what="label with a slash", path="/api/v1/anchors/register", body={**ANCHOR, "anchor_label": "a/b"}
    ),
    Malformed(
        what="2 MB",
        path="/api/v1/anchors/register",
        body={**ANCHOR, "essay_text": "x" * 2_000_000},
        status=413,
    ),
)

CALLBACKS = (
    *(
        Malformed(
            what=f"{place} {str(value)[:30]}", path=CALLBACK, body=changed(RESULT, f"data.{place}", value)
        )
        for place, value in (
            ("cost_estimate", 1e9),
            ("cost_estimate", 1e-10),
            ("cost_estimate", -1),
            ("token_usage.prompt_tokens", 2**31),
            ("token_usage.completion_tokens", 2**63),
            ("token_usage.total_tokens", 10**400),
            ("response_time_ms", 2**31),
            *(("completed_at", moment) for moment in OUTSIDE),
            ("justification", "a\x00b"),
            ("justification", "\ud800"),
            ("confidence", 10**400),
            ("provider", "x" * 300),
            ("request_id", "x" * 3_000),
            ("winner", "x" * 70_000),
            ("request_metadata", {"prompt_sha256": "0" * 64, "a": DEEP}),
            ("request_metadata.attempt_id", DEEP),
        )
    ),
    Malformed(what="nothing", path=CALLBACK, body=b""),
    Malformed(what="brackets", path=CALLBACK, body=b"[" * 100_000),
    Malformed(what="another event", path=CALLBACK, body=REQUEST),
)

SIGNATURES: tuple[tuple[str, dict[str, str | bytes]], ...] = (
    ("no signature", {}),
    (
        "a strange time",
        {"webhook-id": "a", "webhook-timestamp": "9" * 5_000, "webhook-signature": "v1,x"},
    ),
    ("a strange signature", {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": b"\xff"}),
    (
        "a wrong signature",
        {"webhook-id": "a", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,eA=="},
    ),
)

UNSIGNED = tuple(
    Malformed(what=what, path=CALLBACK, body=RESULT, headers=headers, status=401)
    for what, headers in SIGNATURES
)

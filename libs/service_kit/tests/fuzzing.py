"""Sends what schemathesis makes of a service's OpenAPI document: valid and invalid requests to every route."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx2
import schemathesis
from event_contracts import ErrorBody
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from service_kit.tests.live import Live
from service_kit.tests.malformed import MAX_ERROR_BYTES
from service_kit.tests.tokens import ADMIN

EXAMPLES: Final = int(os.environ.get("CJ_FUZZ_EXAMPLES", "2"))
"""Requests of each kind to each route; a few thousand find more and take some minutes a service."""


def fuzz(service: Live) -> Counter[int]:
    """Send the requests with an administrator's token; returns how often each status was answered.

    Fails for an answer of 5xx, and for an error with another body than the documented one.
    """
    statuses: Counter[int] = Counter()
    with service.client() as client:
        document = client.get("/openapi.json").json()
        for operation in _operations(document):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                _send_examples(operation, mode, client, statuses)
    return statuses


def _operations(document: dict[str, Any]) -> Iterator[Any]:
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result
        yield result.ok()


def _send_examples(
    operation: Any,
    mode: GenerationMode,
    client: httpx2.Client,
    statuses: Counter[int],
) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(operation.as_strategy(generation_mode=mode))
    def check(case: Case[Any]) -> None:
        arguments = case.as_transport_kwargs(base_url=str(client.base_url))
        try:
            request = client.build_request(
                arguments["method"],
                arguments["url"],
                params=arguments.get("params") or None,
                headers={**_sendable(arguments.get("headers") or {}), **ADMIN},
                **_body(arguments),
            )
            answer = client.send(request)
        except (httpx2.InvalidURL, httpx2.LocalProtocolError, UnicodeError, ValueError):
            return  # what no client can send
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, f"{case.method} {case.formatted_path}: {answer.text[:1000]}"
        if answer.status_code >= 300:
            assert answer.headers["content-type"] == "application/json"
            assert len(answer.content) < MAX_ERROR_BYTES
            ErrorBody.model_validate_json(answer.content)

    try:
        check()
    except Unsatisfiable:
        return  # nothing about this route can be wrong


def _sendable(headers: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in headers.items()}


def _body(arguments: Mapping[str, Any]) -> dict[str, Any]:
    if "json" in arguments and arguments["json"] is not None:
        return {"json": arguments["json"]}
    data = arguments.get("data")
    if data is None:
        return {}
    return {"content": data if isinstance(data, bytes | str) else repr(data)}

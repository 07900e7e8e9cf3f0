"""The generated documents: complete, resolvable, and true about the golden messages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from event_contracts import ALL_TOPICS, HTTP_PAYLOADS, Topic, asyncapi_document, json_schemas
from jsonschema import Draft202012Validator
from pydantic import JsonValue

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
SCHEMAS = json_schemas()


def references(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def resolve(document: JsonValue, reference: str) -> JsonValue:
    for step in reference.removeprefix("#/").split("/"):
        document = cast(dict[str, JsonValue], document)[step]
    return document


def test_there_is_a_schema_for_every_event_and_every_payload() -> None:
    assert set(SCHEMAS) == {f"events/{spec.event.__name__}" for spec in ALL_TOPICS} | {
        f"http/{payload.__name__}" for payload in HTTP_PAYLOADS
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_golden_messages_fit_the_schemas_and_empty_ones_do_not(path: Path) -> None:
    validator = Draft202012Validator(SCHEMAS[f"events/{path.name.partition('.')[0]}"])
    message = json.loads(path.read_text(encoding="utf-8"))

    assert validator.is_valid(message)
    assert not validator.is_valid({**message, "data": {}})


def test_the_asyncapi_document_has_every_topic_and_no_dangling_reference() -> None:
    document = asyncapi_document(version="1.2.3")

    assert set(cast(dict[str, JsonValue], document["channels"])) == set(Topic)
    assert all(isinstance(resolve(document, reference), dict) for reference in references(document))


def test_the_asyncapi_document_says_what_the_suite_sends_and_what_it_receives() -> None:
    operations = set(cast(dict[str, JsonValue], asyncapi_document(version="1")["operations"]))

    assert {"send_LLMComparisonResultV1", "receive_LLMComparisonResultV1"} <= operations
    assert "receive_SpellcheckPhaseCompletedV1" in operations
    assert "send_SpellcheckPhaseCompletedV1" not in operations
    assert "receive_LLMCostAlertV1" not in operations


def test_the_documents_are_the_same_every_time() -> None:
    assert json.dumps(json_schemas()) == json.dumps(SCHEMAS)
    assert json.dumps(asyncapi_document(version="1")) == json.dumps(asyncapi_document(version="1"))

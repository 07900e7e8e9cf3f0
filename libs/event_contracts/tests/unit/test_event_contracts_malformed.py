"""Whatever bytes arrive on a topic, reading them gives an event or MalformedEvent, and nothing of them is repeated."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from event_contracts import ALL_TOPICS, MAX_ESSAYS_PER_BATCH, EventEnvelope, MalformedEvent, parse_envelope
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import JsonValue

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
EVENTS = {spec.event.__name__: spec.event for spec in ALL_TOPICS}
MESSAGES = {path.name: path.read_bytes() for path in GOLDEN}

Path_ = tuple[str | int, ...]

NASTY: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**31,
    2**63,
    10**400,
    1e308,
    -1e308,
    1e-10,
    "",
    "\x00",
    "a\x00b",
    "..",
    "a/b",
    "\u202e",
    "x" * 300,
    "x" * 2_000,
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59Z",
    "2026-01-01T00:00:00+24:00",
    "T",
    [],
    {},
    [[]],
    {"": ""},
    {"references": {"x" * 70_000: 1}},
)
SPELT = (b"1e999", b"-1e999", b"NaN", b"Infinity", b'"\\ud800"', b'"\\udc00x"', b"1" * 5000, b"1e-400", b"1.")
"""Values that `json.dumps` does not write."""


def places(value: JsonValue, here: Path_ = ()) -> list[Path_]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, item in items for place in places(item, (*here, key)))]


PLACES = [(name, place) for name, value in MESSAGES.items() for place in places(json.loads(value)) if place]
WRITTEN_PLACES = [(name, place) for name, place in PLACES if place[-1] != "stack_trace"]
"""Where what was read is written again: no stack trace leaves a service."""


def replaced(message: JsonValue, place: Path_, value: Any) -> JsonValue:
    changed = deepcopy(message)
    found: Any = changed
    for step in place[:-1]:
        found = found[step]
    found[place[-1]] = value
    return changed


def read(name: str, value: bytes) -> EventEnvelope[Any] | None:
    """The event, or None for a malformed one; every other error is a failure of the test."""
    try:
        return parse_envelope(value, EVENTS[name.partition(".")[0]])
    except MalformedEvent as error:
        refused = error
    assert max(len(str(refused)), len(json.dumps(refused.details))) < 10_000, "input is not repeated"
    return None


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=200))
def test_any_bytes_are_an_event_or_malformed(name: str, value: bytes) -> None:
    read(name, value)


@given(st.sampled_from(sorted(MESSAGES)), st.data())
def test_a_message_that_was_damaged_on_its_way_is_an_event_or_malformed(
    name: str, data: st.DataObject
) -> None:
    value = MESSAGES[name]
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, min(len(value), start + 20)))

    read(name, value[:start] + data.draw(st.binary(max_size=20)) + value[end:])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(WRITTEN_PLACES), st.sampled_from(NASTY) | json_values)
@example(("ELS_CJAssessmentRequestV1.json", ("event_timestamp",)), "0001-01-01T00:00:00+14:00")
def test_any_value_in_any_field_is_read_so_that_it_can_be_written_again_or_malformed(
    where: tuple[str, Path_], value: Any
) -> None:
    name, place = where
    changed = replaced(json.loads(MESSAGES[name]), place, value)

    event = read(name, json.dumps(changed).encode())

    if event is not None:
        assert read(name, event.to_json()) == event
        assert event.key
        assert event.headers()


def test_every_nasty_value_in_every_field_is_handled_and_none_of_them_raises_anything_else() -> None:
    tried = 0
    for name, place in PLACES:
        message = json.loads(MESSAGES[name])
        marked = json.dumps(replaced(message, place, "@here@")).encode()
        for spelling in (*SPELT, *(json.dumps(value).encode() for value in NASTY)):
            read(name, marked.replace(b'"@here@"', spelling))
            tried += 1

    assert tried > 10_000


@pytest.mark.parametrize("depth", [33, 198, 5_000, 100_000])
@pytest.mark.parametrize(
    "place", ["metadata", "data.essays_for_cj.0.spellcheck_metrics", "data.system_metadata.error_info"]
)
def test_an_object_that_is_nested_too_deeply_is_malformed(place: str, depth: int) -> None:
    steps: Path_ = tuple(int(step) if step.isdigit() else step for step in place.split("."))
    message = json.loads(MESSAGES["ELS_CJAssessmentRequestV1.json"])
    deep = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    value = json.dumps(replaced(message, steps, "@here@")).encode().replace(b'"@here@"', deep)

    assert read("ELS_CJAssessmentRequestV1.json", value) is None


@pytest.mark.parametrize("value", [b"Infinity", b"1e999", b'"a\\u0000b"', b"1" * 400, b"[" * 33 + b"]" * 33])
@pytest.mark.parametrize("place", [("assessment_metadata",), ("assessment_metadata", "reliability")])
def test_a_key_that_is_added_later_is_bounded_as_a_free_object_is(place: Path_, value: bytes) -> None:
    message = json.loads(MESSAGES["AssessmentResultV1.json"])
    added = json.dumps(replaced(message, ("data", *place, "added"), "@here@")).encode()

    assert read("AssessmentResultV1.json", added) is not None
    assert read("AssessmentResultV1.json", added.replace(b'"@here@"', value)) is None


@pytest.mark.parametrize(
    ("count", "is_read"), [(MAX_ESSAYS_PER_BATCH, True), (MAX_ESSAYS_PER_BATCH + 1, False), (33_000, False)]
)
def test_a_batch_has_at_most_five_thousand_essays(count: int, is_read: bool) -> None:
    message = cast(dict[str, Any], json.loads(MESSAGES["ELS_CJAssessmentRequestV1.json"]))
    essay = message["data"]["essays_for_cj"][0]
    message["data"]["essays_for_cj"] = [{**essay, "essay_id": f"essay-{number}"} for number in range(count)]

    event = read("ELS_CJAssessmentRequestV1.json", json.dumps(message).encode())

    assert (event is not None) is is_read

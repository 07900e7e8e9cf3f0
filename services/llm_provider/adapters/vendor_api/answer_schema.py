"""The answer's JSON Schema in the words that every vendor enforces.

Vendors refuse a request whose schema has a keyword that they do not enforce, and each enforces others. So a
small range of whole numbers becomes an enumeration, which all of them know, and the length of a text, which
not all of them bound, is said in its description. The strict reader checks the whole schema all the same.
"""

from typing import Final

from event_contracts import JsonObject
from event_contracts.judging import ASKED_SCHEMA
from pydantic import JsonValue

_SHARED: Final = frozenset({"type", "enum", "required", "additionalProperties", "description"})
_WIDEST_RANGE: Final = 20


def portable(schema: JsonObject) -> JsonObject:
    """The schema without keywords that some vendor refuses; raises ``ValueError`` for one that has no such form."""
    kept: JsonObject = {key: value for key, value in schema.items() if key in _SHARED}
    rest = {key: value for key, value in schema.items() if key not in _SHARED}
    kept |= _properties(rest.pop("properties", None))
    kept |= _enumerated(rest.pop("minimum", None), rest.pop("maximum", None))
    kept |= _described(rest.pop("maxLength", None))
    if rest:
        raise ValueError(f"no form that every vendor enforces is known for {', '.join(sorted(rest))}")
    return kept


def _properties(properties: JsonValue) -> JsonObject:
    if not isinstance(properties, dict):
        return {}
    return {"properties": {name: portable(_schema(part)) for name, part in properties.items()}}


def _schema(part: JsonValue) -> JsonObject:
    if not isinstance(part, dict):
        raise ValueError("a property's schema must be an object")
    return part


def _enumerated(lowest: JsonValue, highest: JsonValue) -> JsonObject:
    if lowest is None and highest is None:
        return {}
    if not (isinstance(lowest, int) and isinstance(highest, int) and highest - lowest < _WIDEST_RANGE):
        raise ValueError("only a short range of whole numbers can be written as an enumeration")
    return {"enum": list(range(lowest, highest + 1))}


def _described(length: JsonValue) -> JsonObject:
    return {} if length is None else {"description": f"At most {length} characters."}


PORTABLE_SCHEMA: Final = portable(ASKED_SCHEMA)
"""What is sent to Anthropic, OpenAI, Google and the vendors behind OpenRouter."""

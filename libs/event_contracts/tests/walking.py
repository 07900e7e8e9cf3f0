"""Walks a model's fields to its bare types: a `str`, `int`, `float`, `dict` or tuple without bounds, or `Any`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

BOUNDED_OBJECT: Final = "_checked_object"
"""The check of `JsonObject`: it bounds whatever is below it."""

_INSIDE: Final = ("schema", "items_schema", "keys_schema", "values_schema", "json_schema", "python_schema")


def bare_types(model: type[BaseModel]) -> Iterator[str]:
    """Each unbounded type of the model and of what is within it, with its path."""
    schema = model.__pydantic_core_schema__
    definitions = {one["ref"]: one for one in schema.get("definitions", ())}
    yield from _walk(schema, definitions, model.__name__, frozenset())


def _walk(schema: Any, definitions: Mapping[str, Any], path: str, seen: frozenset[str]) -> Iterator[str]:
    kind = schema["type"]
    if schema.get("ref") in seen:
        return
    seen = seen | {schema["ref"]} if "ref" in schema else seen
    if kind == "definition-ref":
        yield from _walk(definitions[schema["schema_ref"]], definitions, path, seen)
        return
    if kind == "function-after" and getattr(schema["function"]["function"], "__name__", "") == BOUNDED_OBJECT:
        return
    if not _is_bounded(kind, schema):
        yield f"{path}: {kind}"
    for name, field in schema.get("fields", {}).items() if kind == "model-fields" else ():
        yield from _walk(field["schema"], definitions, f"{path}.{name}", seen)
    for inside in _inner(kind, schema):
        yield from _walk(inside, definitions, path, seen)


def _inner(kind: str, schema: Any) -> Iterator[Any]:
    for key in _INSIDE:
        inner = schema.get(key)
        yield from inner if isinstance(inner, list) else [inner] if isinstance(inner, dict) else []
    if kind == "union":
        yield from (choice[0] if isinstance(choice, tuple) else choice for choice in schema["choices"])


def _is_bounded(kind: str, schema: Any) -> bool:
    match kind:
        case "any":
            return False
        case "str" | "list" | "tuple" | "set" | "frozenset":
            return "max_length" in schema
        case "dict":
            return "max_length" in schema or schema["keys_schema"]["type"] == "enum"
        case "int" | "float" | "decimal":
            return bool({"ge", "gt"} & schema.keys() and {"le", "lt"} & schema.keys())
        case _:
            return True

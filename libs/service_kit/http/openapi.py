"""The OpenAPI document of a service: what quart-schema finds, and the rules that hold for every route."""

from typing import Any

from event_contracts import IDENTIFIER_PATTERN, MAX_IDENTIFIER, ErrorBody
from quart_schema.openapi import OpenAPIProvider
from werkzeug.routing import BaseConverter, Rule, UUIDConverter


class SuiteOpenApi(OpenAPIProvider):
    """Adds the error body that every answer beside the documented ones has, and the form of ids in paths."""

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """As quart-schema's, with ``default`` answers."""
        paths, components = super().build_paths(rule)
        error, definitions = self.build_response_object(ErrorBody, None)
        for operations in paths.values():
            for operation in operations.values():
                documented = {str(status): answer for status, answer in operation["responses"].items()}
                operation["responses"] = {**documented, "default": error}
        return paths, {**components, **definitions}

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        """As quart-schema's; text in a path is an id."""
        parameter = super().build_path_parameter(name, converter)
        if isinstance(converter, UUIDConverter):
            parameter["schema"] = {"type": "string", "format": "uuid"}
        elif parameter["schema"] == {"type": "string"}:
            parameter["schema"] |= {
                "minLength": 1,
                "maxLength": MAX_IDENTIFIER,
                "pattern": IDENTIFIER_PATTERN,
            }
        return parameter

"""The OpenAPI document of a service: what quart-schema finds, and the rules that hold for every route."""

from typing import Any, Final

from event_contracts import IDENTIFIER_PATTERN, MAX_IDENTIFIER, ErrorBody
from quart_schema import HttpSecurityScheme
from quart_schema.openapi import OpenAPIProvider
from werkzeug.routing import BaseConverter, Rule, UUIDConverter

from service_kit.http.permissions import Access, access_of, roles_that_may

BEARER: Final = "bearer"
LICENSE: Final = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
SECURITY_SCHEMES: Final = {BEARER: HttpSecurityScheme(scheme="bearer", bearer_format="JWT")}


class SuiteOpenApi(OpenAPIProvider):
    """Adds who may call a route, the error body of every answer that is not a result, and the form of ids in paths."""

    def schema(self) -> dict[str, Any]:
        """As quart-schema's, with the licence."""
        document: dict[str, Any] = super().schema()
        return {**document, "info": {**document["info"], "license": dict(LICENSE)}}

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """As quart-schema's, with the name of the operation, who may call it, and its errors."""
        paths, components = super().build_paths(rule)
        error, definitions = self.build_response_object(ErrorBody, None)
        access = access_of(self._app.view_functions[rule.endpoint])
        refusals = {} if access.open_because else {"401": error, "403": error}
        for operations in paths.values():
            for method, operation in operations.items():
                documented = {str(status): answer for status, answer in operation["responses"].items()}
                operation["responses"] = {**documented, **refusals, "default": error}
                operation["operationId"] = f"{method}_{rule.endpoint.replace('.', '_')}"
                operation["security"] = [] if access.open_because else [{BEARER: []}]
                operation["description"] = _with_access(operation.get("description", ""), access)
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


def _with_access(description: str, access: Access) -> str:
    who = (
        f"Needs no token: {access.open_because}."
        if access.open_because
        else f"For the roles {', '.join(roles_that_may(access))}."
    )
    return "\n\n".join(text for text in (description.strip(), who) if text)

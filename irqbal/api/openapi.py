"""The OpenAPI 3.1 document, made from the contract."""

from __future__ import annotations

import functools
import re
from typing import Any

import msgspec

from irqbal.api import responses
from irqbal.api.contract import ALL, API_VERSION, Route
from irqbal.api.error_codes import STATUSES
from irqbal.wire import Duration, builtins, schema_hook

_REFS = "#/components/schemas/{name}"
_PARAMETERS = {
    "trial": "a trial's id, as GET /api/v1/trials lists it",
    "irq": "a number, or a name (eth0-TxRx-3, virtio3-rx, eth0/rx-1)",
    "device": "an address, interface or disk",
    "host": "a host's name, as /api/v1/hosts lists it",
}


@functools.cache
def text() -> bytes:
    """The document as JSON."""
    return msgspec.json.format(msgspec.json.encode(document(), order="deterministic"), indent=1)


def document() -> dict[str, Any]:
    """The document."""
    by_type: dict[Any, Any] = {}
    components: dict[str, Any] = {}
    bodies = list(dict.fromkeys(route.body for route in ALL if route.body is not None))
    for types, hook in ((_answers(), schema_hook), (bodies, _body_hook)):
        schemas, named = msgspec.json.schema_components(types, schema_hook=hook, ref_template=_REFS)
        by_type.update(zip(types, schemas, strict=True))
        for schema in named.values():
            # A docstring breaks lines for the source's layout.
            if "description" in schema:
                schema["description"] = " ".join(schema["description"].split())
        components.update(named)
    paths: dict[str, dict[str, Any]] = {}
    for route in ALL:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(
            route, by_type, route.path, ""
        )
        if route.below_host is not None:
            paths.setdefault(route.below_host, {})[route.method.lower()] = _operation(
                route, by_type, route.below_host, "host_"
            )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "irqbal",
            "version": API_VERSION,
            "description": "Interrupt affinity on this host: where each IRQ is, why, and how to "
            "change it.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "a token of `irqbal token add`",
                }
            },
        },
    }


def _answers() -> list[Any]:
    types: list[Any] = [responses.ErrorBody]
    for route in ALL:
        if route.answer is not None and route.answer not in types:
            types.append(route.answer)
    return types


def _body_hook(kind: type) -> dict[str, Any]:
    """In bodies, a length of time may also be a number of seconds."""
    schema = schema_hook(kind)
    return (
        {"anyOf": [schema, {"type": "number", "minimum": 0, "description": "seconds"}]}
        if kind is Duration
        else schema
    )


def _operation(route: Route, types: dict[Any, Any], path: str, prefix: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": prefix + route.name,
        "summary": route.summary,
        "description": f"Needs the scope `{route.scope}`.",
        "parameters": [*_path_parameters(path), *_query_parameters(route)],
        "responses": _responses(route, types, path),
    }
    if route.scope == "read":
        # Empty: the configuration may allow reading without a token.
        operation["security"] = [{}, {"bearer": []}]
    elif route.scope != "public":
        operation["security"] = [{"bearer": []}]
    if route.body is not None:
        content = {"application/json": {"schema": types[route.body]}}
        operation["requestBody"] = {"required": route.body_required, "content": content}
    elif route.form:
        form = {
            "type": "object",
            "required": ["affinity"],
            "properties": {
                "affinity": {"type": "string", "pattern": "^[0-9a-fA-F]{1,8}(,[0-9a-fA-F]{8})*$"}
            },
        }
        operation["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        }
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "description": _PARAMETERS[name],
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    parameters = []
    for field in msgspec.structs.fields(route.query):
        schema = msgspec.json.schema(field.type, schema_hook=schema_hook)
        # A parameter that is left out has its default; there is no text for null.
        if "anyOf" in schema:
            types = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
            schema = {**types[0], **schema} if len(types) == 1 else {"anyOf": types, **schema}
        if "enum" in schema:
            schema["enum"] = [value for value in schema["enum"] if value is not None]
        description = schema.pop("description", "")
        if field.default not in (None, msgspec.NODEFAULT):
            schema["default"] = builtins(field.default)
        parameters.append(
            {
                "name": field.encode_name,
                "in": "query",
                "required": False,
                "schema": schema,
                "description": description,
            }
        )
    return parameters


def _responses(route: Route, types: dict[Any, Any], path: str) -> dict[str, Any]:
    content = {
        route.media: {"schema": {"type": "string"} if route.answer is None else types[route.answer]}
    }
    by_status: dict[str, Any] = {"200": {"description": route.summary, "content": content}}
    problem = {"application/json": {"schema": types[responses.ErrorBody]}}
    for status in route.statuses(path)[1:]:
        by_status[str(status)] = {"description": STATUSES[status], "content": problem}
    return by_status

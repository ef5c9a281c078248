"""The OpenAPI 3.1 document, made of the operations' declarations."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

import stackwright
from stackwright.http.operation import Api, Operation

_JSON = "application/json"
_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


class Refusal(msgspec.Struct):
    """What was wrong, and what would be right."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(msgspec.Struct):
    """What every refusal looks like."""

    error: Refusal


def document(apis: Iterable[Api], *, keys: bool) -> dict[str, Any]:
    """Return the OpenAPI document for these areas; `keys` says whether callers need one."""
    operations = [(api.tag, operation) for api in apis for operation in api.operations]
    types = [t for _, operation in operations for t in (operation.body, operation.answer) if t is not None]
    schemas, components = msgspec.json.schema_components([*types, Error], ref_template=_REF)
    schema_of = dict(zip((id(t) for t in types), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for tag, operation in operations:
        path = _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _entry(tag, operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Stackwright", "version": stackwright.__version__, "description": stackwright.__doc__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {"Error": {"description": "Refused.", "content": _json({"$ref": _REF.format(name="Error")})}},
        },
        "security": [{"key": []}] if keys else [],
    }


def _entry(tag: str, operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    summary, _, rest = operation.summary.partition("\n")
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [tag],
        "summary": summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation)],
        "responses": {
            str(operation.status): {
                "description": _first_line(operation.answer),
                "content": _answers(operation, schema_of),
            },
            "default": {"$ref": "#/components/responses/Error"},
        },
    }
    if rest.strip():
        entry["description"] = rest.strip()
    if operation.body is not None:
        media = "multipart/form-data" if operation.form else _JSON
        entry["requestBody"] = {"required": True, "content": {media: {"schema": schema_of[id(operation.body)]}}}
    return entry


def _answers(operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    content = {operation.media: {"schema": schema_of[id(operation.answer)]}}
    if not operation.streams:
        return content
    events = "Server-sent events, each `data: ` and a JSON chunk; `data: [DONE]` ends a stream that ended well."
    return content | {"text/event-stream": {"schema": {"type": "string", "description": events}}}


def _first_line(type: Any) -> str:
    return (getattr(type, "__doc__", None) or "Done.").partition("\n")[0]


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    (_, components) = msgspec.json.schema_components([operation.query], ref_template=_REF)
    properties: dict[str, Any] = components[operation.query.__name__]["properties"]
    return [_query_parameter(name, schema) for name, schema in properties.items()]


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "required": False, "schema": schema}
    return parameter | {"style": "deepObject", "explode": True} if schema.get("type") == "object" else parameter


def _json(schema: Any) -> dict[str, Any]:
    return {_JSON: {"schema": schema}}

"""OpenAI's published schemas, where the document is at hand."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

# Published by OpenAI under the MIT licence; kept beside the checkout, not in it.
DOCUMENT = Path(__file__).parents[2] / "shared" / "data" / "openai-openapi-2.3.0.json"


@cache
def document() -> Any:
    """Return the document, in JSON Schema's words."""
    return _without_nullable(json.loads(DOCUMENT.read_text()))


def _without_nullable(node: Any) -> Any:
    """Say OpenAPI 3.0's `nullable` in JSON Schema's own words."""
    if isinstance(node, list):
        return [_without_nullable(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _without_nullable(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def validate(body: Any, schema: str) -> None:
    """Fail unless `body` is what OpenAI's document says a `schema` is."""
    whole = {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    jsonschema.Draft202012Validator(whole).validate(body)


def properties(schema: str) -> set[str]:
    """Return the names that OpenAI's document gives a `schema`, those of the schemas it is made of included."""
    return set(_properties({"$ref": f"#/components/schemas/{schema}"}))


def _properties(node: Any) -> Iterator[str]:
    if "$ref" in node:
        node = document()["components"]["schemas"][node["$ref"].rpartition("/")[2]]
    yield from node.get("properties", ())
    for part in node.get("allOf", ()):
        yield from _properties(part)


needs_schemas = pytest.mark.skipif(not DOCUMENT.exists(), reason="OpenAI's schema document is not beside the checkout")

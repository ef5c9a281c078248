"""JSON Schema of the run file, for editors."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from stackwright.config.providers import ProviderType, Types, type_named
from stackwright.config.runfile import APIS, RunFile
from stackwright.config.section import keys

Schema = dict[str, Any]
SUBSTITUTED: Schema = {"type": "string", "pattern": r"\$\{"}


def json_schema(types: Types) -> Schema:
    """Return the schema (2020-12) of a run file, with the settings of every provider type that can be loaded."""
    loaded = [provider for name in types if (provider := type_named(types, name))]
    classes: list[type[BaseModel]] = list(dict.fromkeys([RunFile, *(provider.config for provider in loaded)]))
    references, top = models_json_schema([(cls, "validation") for cls in classes], ref_template="#/$defs/{model}")
    names = {cls: references[cls, "validation"]["$ref"].removeprefix("#/$defs/") for cls in classes}
    definitions: dict[str, Schema] = top["$defs"]
    for cls, name in names.items():
        _admit_older_names(definitions[name], cls)
    definitions = {name: _admit(schema) for name, schema in definitions.items()}
    root = definitions.pop(names[RunFile])
    root["properties"]["version"] = {"enum": [2, "2"], "description": "The version of the format."}
    root["properties"]["providers"] = _providers(loaded, names)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Stackwright run file"}
    return root | head | {"$defs": definitions}


def _admit_older_names(schema: Schema, cls: type[BaseModel]) -> None:
    """Add the other keys under which a field may stand; a required one is required under either."""
    if "extra" not in cls.model_config:
        schema["additionalProperties"] = False
    properties = schema.get("properties", {})
    for name, field in keys(cls).items():
        known = [key for key, other in keys(cls).items() if other is field]
        if name in properties and len(known) > 1:
            properties.update(dict.fromkeys(known, properties[name]))
            if name in schema.get("required", []):
                schema["required"] = [key for key in schema["required"] if key != name]
                schema.setdefault("allOf", []).append({"anyOf": [{"required": [key]} for key in known]})


def _admit(schema: Any) -> Any:
    """Return a schema that also takes `${...}` where it wants no string, and bare literals where it wants one."""
    if isinstance(schema, list):
        return [_admit(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "string" and not {"enum", "const", "pattern", "minLength", "format"} & schema.keys():
        return schema | {"type": ["string", "number", "boolean"]}
    if "enum" in schema or "const" in schema or schema.get("type") in ("integer", "number", "boolean", "string"):
        words = {key: schema[key] for key in ("title", "description", "default") if key in schema}
        return words | {"anyOf": [{k: v for k, v in schema.items() if k not in words}, SUBSTITUTED]}
    # A backend whose type is substituted may be any of them, so `oneOf` would be too strict.
    named = {"anyOf" if key == "oneOf" else key: value for key, value in schema.items() if key != "discriminator"}
    return {
        key: {name: _admit(item) for name, item in value.items()}
        if key == "properties"
        else _admit(value)
        if key in ("items", "anyOf", "allOf", "prefixItems", "additionalProperties")
        else value
        for key, value in named.items()
    }


def _providers(loaded: list[ProviderType], names: Mapping[type[BaseModel], str]) -> Schema:
    by_api = {api: [provider for provider in loaded if provider.api == api] for api in APIS}
    return {
        "type": ["object", "null"],
        "description": "What to open, by API.",
        "properties": {api: {"type": ["array", "null"], **_entries(found, names)} for api, found in by_api.items()},
        "additionalProperties": False,
    }


def _entries(providers: list[ProviderType], names: Mapping[type[BaseModel], str]) -> Schema:
    if not providers:
        return {"maxItems": 0}
    entry = {
        "type": "object",
        "properties": {
            "provider_id": {"type": "string", "description": "Its name. Substituting to nothing: switched off."},
            "provider_type": {"anyOf": [{"enum": [provider.type for provider in providers]}, SUBSTITUTED]},
            "config": {"type": ["object", "null"]},
        },
        "required": ["provider_id", "provider_type"],
        "additionalProperties": False,
        "allOf": [_by_type(provider, names[provider.config]) for provider in providers],
    }
    return {"items": entry}


def _by_type(provider: ProviderType, name: str) -> Schema:
    config = {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}
    return {
        "if": {"properties": {"provider_type": {"const": provider.type}}, "required": ["provider_type"]},
        "then": {"properties": {"config": config}},
    }

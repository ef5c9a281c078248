"""Provider types in words: what `stackwright providers` prints and what the reference pages say, from one source."""

import json
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from stackwright.config.secret import Secret
from stackwright.config.storage import REFERENCES, KVReference
from stackwright.providers.inference.presets import PRESETS
from stackwright.providers.provider import Provider
from stackwright.providers.registry import TYPES, BrokenProvider

COMMON = "remote::openai-compatible"
"""The type whose page stands for all presets."""


class Setting(NamedTuple):
    """One key of a provider's config."""

    path: str
    type: str
    default: str
    """`required`, or the value as the run file would have it."""
    about: str


def settings(config: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    """Return every key of a config, those of nested mappings after their parent's."""
    for name, field in config.model_fields.items():
        path = f"{prefix}{name}"
        inner, step = _section(field.annotation)
        default = "" if inner and not field.is_required() else default_in_words(field)
        yield Setting(path, type_in_words(field.annotation), default, field.description or _summary(inner))
        if inner is not None and not issubclass(inner, REFERENCES):
            yield from settings(inner, f"{path}{step}.")


def sample(provider: Provider[Any]) -> str:
    """Return the provider as a piece of a run file."""
    name = provider.type.partition("::")[2]
    lines = [
        "providers:",
        f"  {provider.api}:",
        f"    - provider_id: {name}",
        f"      provider_type: {provider.type}",
    ]
    config = list(_sampled(provider, name))
    return "\n".join([*lines, *(["      config:"] if config else []), *(f"        {line}" for line in config)]) + "\n"


def table() -> list[tuple[str, str, str, str]]:
    """Return type, api, summary and what to install for it, of all provider types."""
    return [_row(name) for name in TYPES]


def _row(name: str) -> tuple[str, str, str, str]:
    try:
        provider = TYPES[name]
    except BrokenProvider as error:
        return name, "?", error.message, ""
    return name, provider.api, provider.summary, _install(provider)


def text(type: str) -> str:
    """Return what a terminal shows of a provider type. `KeyError` when there is none."""
    provider = TYPES[type]
    rows = list(settings(provider.config))
    width = max((len(row.path) for row in rows), default=0)
    parts = [f"{provider.type} ({provider.api})", f"{provider.summary}.", *_notes(provider)]
    lines = [f"  {row.path:<{width}}  {_facts(row)}  {row.about}".rstrip() for row in rows]
    return "\n".join([*parts, "", "Settings:", *lines, "", "In the run file:", "", sample(provider)])


def pages() -> dict[str, str]:
    """Return the reference pages by file name. All presets share one."""
    own = [provider for name, provider in TYPES.items() if name not in PRESETS]
    pages = {f"{provider.type.replace('::', '-')}.md": _page(provider) for provider in own}
    return {"index.md": _index(own), "openai-compatible.md": _presets(), **pages}


def _index(own: list[Provider[Any]]) -> str:
    links = {provider.type: f"{provider.type.replace('::', '-')}.md" for provider in own}
    rows = [
        f"| [`{name}`]({links.get(name, 'openai-compatible.md')}) | {api} | {summary} | {_code(extra)} |"
        for name, api, summary, extra in table()
    ]
    head = ["# Providers", "", "| type | api | what it is | install |", "|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _page(provider: Provider[Any]) -> str:
    return "\n".join(
        [f"# `{provider.type}`", "", f"{provider.summary}.", "", *_notes(provider), "", *_details(provider)]
    )


def _presets() -> str:
    rows = [
        f"| `{name}` | {row.title} | {_code(row.url or row.example)} | {_code(row.key or '')} "
        f"| {', '.join(('chat', *row.ports))} | {row.note} |"
        for name, row in PRESETS.items()
    ]
    return "\n".join(
        [
            "# Vendors with OpenAI's API",
            "",
            "One adapter, and for each vendor a type that brings its address and habits. The settings are the same.",
            "Requests go to `base_url` and nowhere else: no redirects are followed, and `HTTP_PROXY` is not read.",
            "",
            "| type | vendor | `base_url` | key | serves | note |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            *_details(TYPES[COMMON]),
            "With a preset the address is known:",
            "",
            "```yaml",
            f"{sample(TYPES['remote::openai'])}```",
            "",
        ]
    )


def _details(provider: Provider[Any]) -> list[str]:
    rows = [
        f"| `{row.path}` | {row.type.replace('|', chr(92) + '|')} | {_code(row.default)} | {row.about} |"
        for row in settings(provider.config)
    ]
    head = ["## Settings", "", "| key | type | default | meaning |", "|---|---|---|---|"]
    shown = [*head, *rows, ""] if rows else ["It has no settings.", ""]
    return [*shown, "## In the run file", "", "```yaml", f"{sample(provider)}```", ""]


def _notes(provider: Provider[Any]) -> list[str]:
    preset = PRESETS.get(provider.type)
    install = [f"Needs: {_install(provider)}"] if provider.extra else []
    return install + ([preset.note] if preset and preset.note else [])


def _install(provider: Provider[Any]) -> str:
    return f"pip install 'stackwright[{provider.extra}]'" if provider.extra else ""


def _code(text: str) -> str:
    return f"`{text}`" if text and text != "required" else text


def _facts(row: Setting) -> str:
    return f"({row.type}{', ' if row.default else ''}{row.default})"


def _sampled(provider: Provider[Any], name: str) -> Iterator[str]:
    """Return the lines of a sample's config: what is required, and what most people set."""
    preset = PRESETS.get(provider.type)
    for key, field in provider.config.model_fields.items():
        inner, _ = _section(field.annotation)
        if inner is not None and issubclass(inner, REFERENCES):
            yield f"{key}: {_reference(inner, provider.api, name)}"
        elif key == "base_url" and preset:
            yield f"base_url: {preset.url or preset.example}"
        elif type_in_words(field.annotation) == "secret":
            if preset is None or preset.key:
                yield f"{key}: ${{env.{preset.key if preset else _variable(name, key)}:=}}"
        elif field.examples:
            yield f"{key}: {json.dumps(field.examples[0])}"
        elif field.is_required():
            yield f"{key}: {_placeholder(key)}"


def _variable(name: str, key: str) -> str:
    return f"{name}_{key}".upper().replace("-", "_")


def _placeholder(key: str) -> str:
    return "http://localhost:8000" if "url" in key else f"some-{key.replace('_', '-')}"


def _reference(reference: type[BaseModel], api: str, name: str) -> str:
    if issubclass(reference, KVReference):
        return f'{{backend: kv_default, namespace: "{api}::{name}"}}'
    return f"{{backend: sql_default, table_name: {api}_{name.replace('-', '_')}}}"


def _section(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """Return the mapping behind an annotation, and the step that leads into it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    step = {dict: ".NAME", list: "[]"}.get(get_origin(annotation), "")
    for inner in get_args(annotation):
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner, step
    return None, ""


def _summary(inner: type[BaseModel] | None) -> str:
    return (inner.__doc__ or "").split("\n")[0] if inner else ""


def default_in_words(field: FieldInfo) -> str:
    """Return `required`, or the default as the run file would have it; nothing where that is None."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Secret: "secret",
    Any: "anything",
}


def type_in_words(annotation: Any) -> str:
    """Return a type as somebody would say it who edits YAML."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_in_words(inner[0])
    if origin is Literal:
        return " | ".join(f"{one}" for one in inner)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_in_words(one) for one in inner if one is not NoneType))
    if origin in (list, tuple):
        return f"list of {type_in_words(inner[0])}"
    if origin is dict:
        return f"mapping of names to {type_in_words(inner[1])}"
    if isinstance(annotation, type) and issubclass(annotation, REFERENCES):
        return "KV reference" if issubclass(annotation, KVReference) else "SQL reference"
    return _NAMES.get(annotation, "mapping")

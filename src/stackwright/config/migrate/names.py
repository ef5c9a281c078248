"""What Llama Stack called things, and what they are called today."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stackwright.config.storage import Family

STORES: Mapping[str, tuple[Family, str]] = {
    "metadata": ("kv", "registry"),
    "inference": ("sql", "inference_store"),
    "conversations": ("sql", "openai_conversations"),
    "responses": ("sql", "responses"),
    "prompts": ("sql", "prompts"),
    "connectors": ("kv", "connectors"),
}
"""The server's own stores: what is kept in them, and the name of the namespace or table."""

APIS = {"agents": "responses", "memory": "vector_io"}
ALWAYS_SERVED = ("models", "conversations", "prompts")
"""APIs that Llama Stack serves although its `apis` does not name them."""

TYPES = {
    "remote::chroma": "remote::chromadb",
    "remote::hf::serverless": "remote::tgi",
    "inline::sqlite_vec": "inline::sqlite-vec",
}
BUILTIN = {"inline::meta-reference", "inline::builtin"}
"""Providers of responses: with us no provider, but a part of the server."""

INSTEAD = {
    "inline::faiss": "inline::sqlite-vec, which keeps vectors in a file",
    "inline::milvus": "inline::sqlite-vec, which keeps vectors in a file",
    "inline::chromadb": "remote::chromadb, or inline::sqlite-vec for vectors in a file",
    "inline::sentence-transformers": "inline::wordllama, which embeds in this process, with other vectors",
    "remote::passthrough": "remote::openai-compatible",
}

SETTINGS = {
    "url": "base_url",
    "api_base": "base_url",
    "api_token": "api_key",
    "tls_verify": "verify_tls",
}
VERSIONS = {
    "remote::ollama": "/v1",
    "remote::tgi": "/v1",
    "remote::nvidia": "/v1",
    "remote::groq": "/openai/v1",
}
"""What these added to their `url` themselves. A `base_url` is the whole address."""

RESOURCES = frozenset(
    {
        "models",
        "shields",
        "vector_dbs",
        "vector_stores",
        "datasets",
        "scoring_fns",
        "benchmarks",
        "eval_tasks",
        "tool_groups",
        "memory_banks",
    }
)
"""What stood at the top of the file before there was `registered_resources`."""

SECTIONS = frozenset({"telemetry", "logging", "safety", "vector_stores", "connectors", "container_image"})
"""Sections of Llama Stack's."""

AUTH = frozenset({"provider_config", "provider_type", "access_policy", "route_policy"})
"""Keys of its `server.auth`."""

_OLD_SYNTAX = re.compile(r"(?<!\$)\$\{env\.([A-Za-z_][A-Za-z0-9_]*)(?:(:)(?![-=+])|\+)")
"""A `:-` is the shell's, and nobody's here."""

_VECTOR_IO = {"inline::chromadb": "chroma", "remote::chromadb": "chroma_remote", "remote::chroma": "chroma_remote"}
_REMOTE_TOO = {"qdrant", "milvus"}
_PLAIN_NAMES = {
    "agents": "agents",
    "responses": "agents",
    "eval": "eval",
    "batches": "batches",
    "post_training": "post_training",
}


def syntax_today(text: str) -> str:
    """Return `${env.X:default}` and `${env.X+value}` as they are written since there are `:=` and `:+`."""
    return _OLD_SYNTAX.sub(lambda found: f"${{env.{found[1]}:{'=' if found[2] else '+'}", text)


def switched_off_today(provider_id: str) -> str:
    """Return `${env.X:=__disabled__}` as it is written since a provider is switched off by having no id."""
    return provider_id.replace(":=__disabled__}", ":=}")


@dataclass(frozen=True, slots=True)
class Place:
    """What a snippet keeps: in which family of databases, and under which name."""

    family: Family
    name: str
    use: str
    """A word for a backend that only this is kept in."""


def place_of_store(store: str) -> Place:
    """Return the place of one of the server's own stores."""
    family, name = STORES[store]
    return Place(family, name, store)


def place_in_provider(api: str, type: str, key: str) -> Place:
    """Return the place of what a provider of this type keeps under this key of its config."""
    word = re.sub(r"\W+", "_", type.rpartition("::")[2] or api)
    if api in ("agents", "responses") and key in ("responses_store", "responses"):
        return Place("sql", "responses", "responses")
    if api == "files" and key in ("metadata_store", "persistence", "sqlstore"):
        return Place("sql", "files_metadata", "files")
    if key in ("sqlstore", "db_path"):
        return Place("sql", re.sub(r"\W+", "_", f"{api}_{word}"), word)
    if api in ("vector_io", "memory"):
        name = _VECTOR_IO.get(type, f"{word}_remote" if word in _REMOTE_TOO and type[:6] == "remote" else word)
        return Place("kv", f"vector_io::{name}", word)
    if api in _PLAIN_NAMES:
        return Place("kv", _PLAIN_NAMES[api], api)
    return Place("kv", f"{api}::{word}", word)


def key_today(api: str, key: str) -> tuple[str, ...]:
    """Return where Llama Stack's later layout has what a provider kept under `key`."""
    if api in ("agents", "responses"):
        return {
            "persistence_store": ("persistence", "agent_state"),
            "responses_store": ("persistence", "responses"),
        }.get(key, (key,))
    if api in ("vector_io", "memory") and key in ("kvstore", "persistence_store"):
        return ("persistence",)
    return (key,)

"""Databases as Llama Stack's releases left them: their tables, their keys, and rows such as they wrote."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers import PostgresServer

Row = Mapping[str, Any]

_ACCESS = "access_attributes JSON, owner_principal VARCHAR, "
_FILE = (
    "id VARCHAR, filename VARCHAR, purpose VARCHAR, bytes INTEGER, created_at INTEGER, expires_at INTEGER, "
    "file_path VARCHAR, "
)
_TABLES = {
    "0.2.10": {
        "chat_completions": "id VARCHAR, created INTEGER, model VARCHAR, choices JSON, input_messages JSON, "
        "PRIMARY KEY (id)",
        "openai_responses": "id VARCHAR, created_at INTEGER, response_object JSON, model VARCHAR, PRIMARY KEY (id)",
        "openai_files": f"{_FILE}PRIMARY KEY (id)",
    },
    "0.3.5": {
        "inference_store": "id VARCHAR, created INTEGER, model VARCHAR, choices JSON, input_messages JSON, "
        f"{_ACCESS}PRIMARY KEY (id)",
        "openai_responses": "id VARCHAR, created_at INTEGER, response_object JSON, model VARCHAR, "
        f"{_ACCESS}PRIMARY KEY (id)",
        "conversation_messages": f"conversation_id VARCHAR, messages JSON, {_ACCESS}PRIMARY KEY (conversation_id)",
        "openai_conversations": f"id VARCHAR, created_at INTEGER, items JSON, metadata JSON, {_ACCESS}PRIMARY KEY (id)",
        "conversation_items": "id VARCHAR, conversation_id VARCHAR, created_at INTEGER, item_data JSON, "
        f"{_ACCESS}PRIMARY KEY (id)",
        "openai_files": f"{_FILE}{_ACCESS}PRIMARY KEY (id)",
    },
    "1.5.0": {
        "inference_store": "id VARCHAR, created INTEGER, model VARCHAR, choices JSON, input_messages JSON, "
        f"{_ACCESS}PRIMARY KEY (id)",
        "responses": "id VARCHAR, created_at INTEGER, response_object JSON, model VARCHAR, "
        f"previous_response_id VARCHAR, input_storage_mode VARCHAR, {_ACCESS}PRIMARY KEY (id)",
        "openai_conversations": f"id VARCHAR, created_at INTEGER, items JSON, metadata JSON, {_ACCESS}PRIMARY KEY (id)",
        "conversation_items": "conversation_id VARCHAR, id VARCHAR, created_at INTEGER, sort_order INTEGER, "
        f"item_data JSON, tenant_id VARCHAR, {_ACCESS}PRIMARY KEY (conversation_id, id)",
        "prompts": "id VARCHAR, prompt_id VARCHAR, version INTEGER, is_default BOOLEAN, created_at INTEGER, "
        f"prompt_data JSON, {_ACCESS}PRIMARY KEY (id)",
        "openai_files": f"{_FILE}{_ACCESS}PRIMARY KEY (id)",
    },
}
KEYS = "key TEXT PRIMARY KEY, value TEXT, expiration TIMESTAMP"


class Place(NamedTuple):
    """A SQL database: a file, or a database of a server."""

    where: Path | tuple[PostgresServer, str]

    def run(self, script: str) -> None:
        """Run statements, all or none of them."""
        if isinstance(self.where, Path):
            with sqlite3.connect(self.where) as opened:
                opened.executescript(f"BEGIN; {script}; COMMIT;")
            opened.close()
        else:
            server, name = self.where
            server.sql(script, db=name)

    def add(self, release: str, table: str, rows: Sequence[Row]) -> None:
        """Write rows into one of the tables of a release, which is made."""
        self.run(f"CREATE TABLE IF NOT EXISTS {table} ({_TABLES[release][table]});")
        owned = {"access_attributes": "null", "owner_principal": ""} if _ACCESS in _TABLES[release][table] else {}
        self.run("".join(_insert(table, {**owned, **row}) for row in rows))

    def set(self, keys: Mapping[str, Any], table: str = "kvstore") -> None:
        """Write keys; values that are no text are written as JSON."""
        self.run(f"CREATE TABLE IF NOT EXISTS {table} ({KEYS});")
        self.run("".join(_insert(table, {"key": key, "value": written(value)}) for key, value in keys.items()))


def written(value: Any) -> str:
    """Return a value as a key-value store of Llama Stack's has it."""
    return value if isinstance(value, str) else json.dumps(value)


def _insert(table: str, row: Row) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(_literal, row.values()))});\n"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).upper() if isinstance(value, bool) else "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + (value if isinstance(value, str) else json.dumps(value)).replace("'", "''") + "'"


def completion(number: int, **changes: Any) -> dict[str, Any]:
    """Return a row of a chat completion, written out with every null as Llama Stack does."""
    message = {"role": "assistant", "content": f"It's answer {number}.", "name": None, "tool_calls": None}
    return {
        "id": f"chatcmpl-{number:06d}",
        "created": 1_750_000_000 + number // 3,
        "model": "mine",
        "choices": [{"message": message, "finish_reason": "stop", "index": 0, "logprobs": None}],
        "input_messages": [{"role": "user", "content": f"Question {number}?", "name": None}],
        **changes,
    }


def said(text: str, name: str) -> dict[str, Any]:
    """Return what an assistant said, as an item."""
    part = {"text": text, "type": "output_text", "annotations": []}
    return {"content": [part], "role": "assistant", "type": "message", "id": name, "status": "completed"}


def asked(text: str, name: str | None = None) -> dict[str, Any]:
    """Return what a user said, as an item; without an id, as Llama Stack keeps what it was sent."""
    return {"content": text, "role": "user", "type": "message", "id": name, "status": None}


def response(name: str, at: int, given: Sequence[Row], output: Sequence[Row], **changes: Any) -> dict[str, Any]:
    """Return a row of a response; `given` is all that led to it."""
    whole = {
        "created_at": at,
        "error": None,
        "id": name,
        "model": "mine",
        "object": "response",
        "output": list(output),
        "parallel_tool_calls": False,
        "previous_response_id": None,
        "status": "completed",
        "temperature": None,
        "text": {"format": {"type": "text", "name": None, "schema": None, "description": None, "strict": None}},
        "top_p": None,
        "tools": None,
        "truncation": None,
        "usage": None,
        "instructions": None,
        "input": list(given),
        **changes,
    }
    return {"id": name, "created_at": at, "model": "mine", "response_object": whole}


def model(name: str, provider: str, **changes: Any) -> dict[str, Any]:
    """Return a registered model."""
    return {
        "identifier": name,
        "provider_resource_id": f"{name}-of-{provider}",
        "provider_id": provider,
        "type": "model",
        "owner": None,
        "source": "via_register_api",
        "metadata": {},
        "model_type": "llm",
        **changes,
    }


def prompt_keys(name: str, texts: Sequence[str], default: int, space: str = "") -> dict[str, Any]:
    """Return the keys of a prompt."""
    keys: dict[str, Any] = {f"{space}prompts:v1:{name}:default": str(default)}
    for version, text in enumerate(texts, 1):
        keys[f"{space}prompts:v1:{name}:{version}"] = {
            "prompt_id": name,
            "prompt": text,
            "version": version,
            "variables": ["name"],
            "is_default": version == default,
        }
    return keys


def file(folder: Path, name: str, content: bytes, **changes: Any) -> dict[str, Any]:
    """Put the bytes of a file into a folder, and return its row."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return {
        "id": name,
        "filename": "a.txt",
        "purpose": "assistants",
        "bytes": len(content),
        "created_at": 1_750_004_000,
        "expires_at": 2_000_000_000,
        "file_path": str(folder / name),
        **changes,
    }

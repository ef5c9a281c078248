"""What three releases of Llama Stack left behind, and the run files that they left it with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.migrate_data.llama_stack import (
    Place,
    asked,
    completion,
    file,
    model,
    prompt_keys,
    response,
    said,
)

PROMPT = "pmpt_" + "0123456789abcdef" * 3
TALK, OTHER_TALK = "conv_" + "a" * 48, "conv_" + "b" * 48
FIRST, SECOND, THIRD, FOURTH = ("resp_" + letter * 8 for letter in "xyzw")
PICTURE, TABLE = "file-" + "1f" * 16, "file-" + "2e" * 16
PNG, CSV = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"a,b\n1,2\n"

_FILES = """  files:
    - provider_id: meta-reference-files
      provider_type: inline::localfs
      config: {storage_dir: "${env.FILES_STORAGE_DIR:={folder}/files}", metadata_store: {metadata}}
"""
_PROVIDERS = """
providers:
  inference:
    - {provider_id: openai, provider_type: "remote::openai", config: {base_url: "${env.VENDOR}", api_key: "none"}}
"""


class Old(NamedTuple):
    """A run file of Llama Stack's, beside the databases that it names."""

    path: Path
    environ: Mapping[str, str]


def _chain() -> list[dict[str, object]]:
    """Return three turns, each with all that led to it."""
    one, two = [asked("one", "msg_one")], [said("first", "msg_first")]
    three = [*one, *two, asked("two")]
    call = {"arguments": "{}", "call_id": "call_1", "name": "look", "type": "function_call", "id": "fc_1"}
    four = [*three, call, {"call_id": "call_1", "output": "rain", "type": "function_call_output", "id": "fo_1"}]
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9, "input_tokens_details": None}
    return [
        response(FIRST, 1_750_001_000, one, two, usage=usage, temperature=0.5, instructions="Be brief."),
        response(SECOND, 1_750_001_001, three, [{**call, "status": "completed"}], previous_response_id=FIRST),
        response(THIRD, 1_750_001_002, four, [said("third", "msg_third")], previous_response_id=SECOND),
    ]


def _about_a_picture() -> dict[str, object]:
    """Return a turn whose input names a file."""
    shown = {"type": "input_image", "file_id": PICTURE, "detail": "low", "image_url": None}
    question = {**asked("", "msg_shown"), "content": [{"type": "input_text", "text": "And this?"}, shown]}
    return response(FOURTH, 1_750_001_003, [question], [said("A picture.", "msg_fourth")])


def _files(folder: Path) -> list[dict[str, object]]:
    return [
        file(folder / "files", PICTURE, PNG, filename="a.png", purpose="vision"),
        file(folder / "files", TABLE, CSV, filename="prices.csv", created_at=1_750_004_001),
    ]


def _registry(version: str, space: str = "") -> dict[str, Any]:
    models = [
        model("mine", "openai", metadata={"team": "shop"}),
        model("openai/gpt-4o", "openai", source="listed_from_provider"),
        model("lost", "fireworks"),
    ]
    prefix = f"{space}distributions:registry:{version}::"
    shield = {"identifier": "guard", "provider_id": "llama-guard", "type": "shield", "params": {}}
    return {f"{prefix}model:{one['identifier']}": one for one in models} | {f"{prefix}shield:guard": shield}


def _items(*, ordered: bool) -> list[dict[str, object]]:
    """Return items in the order in which a database may have them: not theirs."""
    shown = {**asked("", "msg_e"), "content": [{"type": "input_file", "file_id": TABLE, "filename": None}]}
    items = [
        (OTHER_TALK, 1_750_002_000, shown),
        (TALK, 1_750_002_002, asked("last", "msg_c")),
        (TALK, 1_750_002_000, asked("hello", "msg_a")),
        (TALK, 1_750_002_001, said("hi", "msg_b")),
        ("conv_" + "d" * 48, 1_750_002_000, asked("nobody's", "msg_d")),
    ]
    order = {"msg_a": 0, "msg_b": 1, "msg_c": 2, "msg_d": 0, "msg_e": 0}
    return [
        {"id": item["id"], "conversation_id": talk, "created_at": 1 if ordered else at, "item_data": item}
        | ({"sort_order": order[str(item["id"])]} if ordered else {})
        for talk, at, item in items
    ]


def _talks() -> list[dict[str, object]]:
    return [
        {"id": OTHER_TALK, "created_at": 1_750_002_100, "items": [], "metadata": None},
        {"id": TALK, "created_at": 1_750_002_000, "items": [], "metadata": {"topic": "greeting"}},
    ]


def first(folder: Path, vendor: str, sql: Place | None) -> Old:
    """Release 0.2.10: a connection wherever one is needed, a file for each."""
    registry, completions = Place(folder / "registry.db"), sql or Place(folder / "inference.db")
    responses = sql or Place(folder / "agents.db")
    registry.set(_registry("v9") | prompt_keys(PROMPT, ["Hello {{ name }}", "Hi {{name}}"], 1))
    completions.add("0.2.10", "chat_completions", [completion(number) for number in range(4)])
    responses.add("0.2.10", "openai_responses", [*_chain(), _about_a_picture()])
    Place(folder / "files_metadata.db").add("0.2.10", "openai_files", _files(folder))
    return _old(
        folder,
        vendor,
        sql,
        """
version: 2
image_name: shop
apis: [agents, inference, files]
{providers}{files}  agents:
    - provider_id: meta-reference
      provider_type: inline::meta-reference
      config:
        persistence_store: {type: sqlite, db_path: "${env.SQLITE_STORE_DIR:={folder}}/state.db"}
        responses_store: {sql:agents.db}
metadata_store: {type: sqlite, db_path: "${env.SQLITE_STORE_DIR:={folder}}/registry.db"}
inference_store: {sql:inference.db}
""".replace("{files}", _FILES).replace("{metadata}", "{type: sqlite, db_path: '{folder}/files_metadata.db'}"),
    )


def second(folder: Path, vendor: str, sql: Place | None) -> Old:
    """Release 0.3.5: named backends, and tables whose names are ours too."""
    keys, rows = Place(folder / "kvstore.db"), sql or Place(folder / "sql_store.db")
    prompts = prompt_keys(PROMPT, ["Hello {{ name }}", "Hi {{name}}"], 1)
    keys.set(_registry("v9") | _registry("v10") | prompts | {"vector_io::faiss:index": "x"})
    rows.add("0.3.5", "inference_store", [completion(number, owner_principal="ada") for number in range(4)])
    rows.add("0.3.5", "openai_responses", [*_chain(), _about_a_picture()])
    rows.add("0.3.5", "openai_conversations", _talks())
    rows.add("0.3.5", "conversation_items", _items(ordered=False))
    rows.add("0.3.5", "conversation_messages", [{"conversation_id": TALK, "messages": []}])
    rows.add("0.3.5", "openai_files", _files(folder))
    return _old(folder, vendor, sql, _NAMED.replace("{prompts}", ""))


def third(folder: Path, vendor: str, sql: Place | None) -> Old:
    """Release 1.5.0: prompts in a table, what is new with each response, and keys behind their namespace."""
    keys, rows = Place(folder / "kvstore.db"), sql or Place(folder / "sql_store.db")
    keys.set(_registry("v10", "registry:") | _registry("v10", "somebody:"))
    rows.add("1.5.0", "inference_store", [completion(number) for number in range(4)])
    chain = _chain()
    for row, new in zip(chain, (1, 1, 1), strict=True):
        whole = row["response_object"]
        assert isinstance(whole, dict)
        whole["input"] = whole["input"][-new:]
        if whole["previous_response_id"]:
            mode = {"previous_response_id": whole["previous_response_id"], "input_storage_mode": "incremental"}
            whole |= mode
            row |= mode
    rows.add("1.5.0", "responses", [*chain, _about_a_picture()])
    rows.add("1.5.0", "openai_files", _files(folder))
    rows.add("1.5.0", "openai_conversations", _talks())
    rows.add("1.5.0", "conversation_items", _items(ordered=True))
    texts = ["Hello {{ name }}", "Hi {{name}}"]
    prompts = [
        {
            "id": f"{PROMPT}:{version}",
            "prompt_id": PROMPT,
            "version": version,
            "is_default": version == 1,
            "created_at": 1_750_003_000 + version,
            "prompt_data": {"prompt": text, "variables": ["name"]},
        }
        for version, text in enumerate(texts, 1)
    ]
    rows.add("1.5.0", "prompts", prompts)
    return _old(
        folder, vendor, sql, _NAMED.replace("{prompts}", "prompts: {table_name: prompts, backend: sql_default}\n    ")
    )


_NAMED = """
version: 2
image_name: shop
apis: [agents, inference, files, conversations, prompts]
{providers}{files}  agents:
    - provider_id: meta-reference
      provider_type: inline::meta-reference
      config:
        persistence:
          agent_state: {namespace: agents, backend: kv_default}
          responses: {table_name: responses, backend: sql_default}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.SQLITE_STORE_DIR:={folder}}/kvstore.db"}
    sql_default: {named:sql_store.db}
  stores:
    metadata: {namespace: registry, backend: kv_default}
    inference: {table_name: inference_store, backend: sql_default, max_write_queue_size: 10000, num_writers: 4}
    {prompts}conversations: {table_name: openai_conversations, backend: sql_default}
""".replace("{files}", _FILES).replace("{metadata}", "{table_name: files_metadata, backend: sql_default}")


def _old(folder: Path, vendor: str, sql: Place | None, text: str) -> Old:
    environ = {"VENDOR": vendor}
    text = text.replace("{providers}", _PROVIDERS.lstrip()).replace("{folder}", str(folder))
    for name in ("agents.db", "inference.db", "sql_store.db"):
        for mark, family in (("sql", ""), ("named", "sql_")):
            file = f'{{type: {family}sqlite, db_path: "${{env.SQLITE_STORE_DIR:={folder}}}/{name}"}}'
            server = (
                f'{{type: {family}postgres, host: "${{env.PG_HOST}}", port: "${{env.PG_PORT}}", db: "${{env.PG_DB}}", '
                'user: "${env.PG_USER}", password: "${env.PG_PASSWORD}"}'
            )
            text = text.replace(f"{{{mark}:{name}}}", file if sql is None else server)
    if sql is not None:
        assert not isinstance(sql.where, Path)
        server_at, database = sql.where
        environ |= {
            "PG_HOST": server_at.host,
            "PG_PORT": str(server_at.port),
            "PG_DB": database,
            "PG_USER": server_at.user,
            "PG_PASSWORD": server_at.password,
        }
    path = folder / "old.yaml"
    path.write_text(text.lstrip())
    return Old(path, environ)


RELEASES: Mapping[str, Callable[[Path, str, Place | None], Old]] = {"0.2.10": first, "0.3.5": second, "1.5.0": third}

"""Keys wherever Llama Stack kept them: Postgres, Redis, MongoDB, and our own keys beside them."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from redis import Redis

from tests.migrate_data.carrying import carry
from tests.migrate_data.llama_stack import Place, model, prompt_keys, written
from tests.migrate_data.releases import PROMPT, Old
from tests.servers import PostgresServer
from tests.servers_kv import MongoServer, ValkeyServer

NEW = """
version: 2
providers: {inference: [{provider_id: openai, provider_type: "inline::scripted"}]}
storage:
  backends:
    kv_default: {kv}
    sql_default: {type: sql_sqlite, db_path: new.db}
"""


def _keys(space: str) -> dict[str, str]:
    name = f"{space}distributions:registry:v10::model:mine"
    keys = {name: model("mine", "openai"), **prompt_keys(PROMPT, ["Hello", "Hi"], 2, space)}
    return {key: written(value) for key, value in keys.items()}


def _carried(folder: Path, old: str, kv: str) -> None:
    path, new = folder / "old.yaml", folder / "new.yaml"
    path.write_text(f"metadata_store: {old}\n")
    new.write_text(NEW.replace("{kv}", kv))
    first = carry(Old(path, {}), new, "--set-aside")
    assert (first.status, first.counts()) == (0, {"models": (1, 0, 0, 0), "prompts": (1, 0, 0, 0)})
    second = carry(Old(path, {}), new)
    assert (second.status, second.counts()) == (0, {"models": (0, 1, 0, 0), "prompts": (0, 1, 0, 0)})
    assert first.report["left"] == second.report["left"] == []


def test_postgres_where_our_keys_go_into_a_table_of_the_same_name(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    database = postgres_server.create_database()
    Place((postgres_server, database)).set(_keys("shop:"), table="llamastack_kvstore")
    where = f'connection_string: "{postgres_server.url(database)}"'
    old = f"{{type: postgres, namespace: shop, {where}}}"
    _carried(tmp_path, old, f"{{type: kv_postgres, table_name: llamastack_kvstore, {where}}}")


def test_redis_where_our_keys_go_too(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    with Redis(host=valkey_server.host, port=valkey_server.port, db=3) as client:
        client.flushdb()
        client.mset(_keys("shop:"))
        client.lpush("a list", "of somebody else's")
    url = f"redis://{valkey_server.host}:{valkey_server.port}/3"
    _carried(tmp_path, f"{{type: redis, namespace: shop, url: '{url}'}}", f"{{type: kv_redis, url: '{url}'}}")


def test_mongodb(tmp_path: Path, mongo_server: MongoServer) -> None:
    name = f"kv_{uuid.uuid4().hex}"

    async def fill() -> None:
        client: AsyncMongoClient[Any] = AsyncMongoClient(mongo_server.host, mongo_server.port)
        documents = [{"key": key, "value": value, "expiration": None} for key, value in _keys("").items()]
        await client["llamastack"][name].insert_many(documents)
        await client.close()

    asyncio.run(fill())
    where = f"host: {mongo_server.host}, port: {mongo_server.port}"
    old = f"{{type: mongodb, collection_name: {name}, {where}}}"
    _carried(tmp_path, old, "{type: kv_sqlite, db_path: new-kv.db}")

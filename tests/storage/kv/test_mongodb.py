"""MongoDB keeps the key-value contract, as far as a server that speaks its protocol can tell."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from stackwright.config.secret import Secret, Substituted
from stackwright.config.storage import MongoBackend
from stackwright.errors import TooLarge, Unavailable
from stackwright.ids import mint
from stackwright.storage.kv.mongodb import MongoDatabase
from stackwright.testing.kv_contract import Clients, KVContract
from tests.servers_kv import MongoServer


def database(server: MongoServer, **settings: Any) -> MongoDatabase:
    """Return a client that is patient, unless told otherwise: a busy machine may stand still for seconds."""
    patient: dict[str, Any] = {"pool_timeout": 20.0, "command_timeout": 20.0}
    backend = MongoBackend(type="kv_mongodb", host=server.host, port=server.port, **(patient | settings))
    return MongoDatabase(backend, name="docs")


class TestMongoDB(KVContract):
    @pytest.fixture
    async def clients(self, mongo_server: MongoServer) -> AsyncIterator[Clients]:
        # A collection of its own, because this server looks at all of a collection's documents to find one.
        collection = mint("kv_")
        one, other = database(mongo_server), database(mongo_server)
        yield one.collection(collection), other.collection(collection)
        await one.close()
        await other.close()


@pytest.fixture
def server() -> Iterator[MongoServer]:
    """A server of the test's own, to be killed."""
    server = MongoServer()
    server.start()
    yield server
    server.remove()


async def test_a_killed_server_is_unavailable_within_its_timeout_and_found_again(server: MongoServer) -> None:
    mongo = database(server, pool_timeout=0.5)
    kv = mongo.collection("kv_store").namespace("n")
    await kv.set("key", b"value")
    server.kill()
    for call in (kv.get("key"), kv.set("key", b"value"), kv.scan()):
        begun = time.monotonic()
        with pytest.raises(Unavailable, match=f"'docs': MongoDB at {server.host}:{server.port}/stackwright"):
            await call
        assert time.monotonic() - begun < 2
    server.start()
    await until_answered(mongo)
    await kv.set("key", b"new")
    assert await kv.get("key") == b"new"
    await mongo.close()


async def test_a_full_pool_is_a_503_within_its_timeout(server: MongoServer) -> None:
    mongo = database(server, pool_size=1, pool_timeout=0.2, command_timeout=20)
    kv = mongo.collection("kv_store").namespace("n")
    await kv.set("key", b"value")
    server.freeze()
    begun = time.monotonic()
    try:
        stuck = asyncio.create_task(kv.get("key"))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match=r"no connection came free within 0\.2 s"):
            await kv.get("key")
        assert time.monotonic() - begun < 10
    finally:
        server.thaw()
    assert await stuck == b"value"
    await mongo.close()


async def test_expiry_follows_the_servers_clock_not_ours(server: MongoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    behind = database(server)
    await behind.ping()
    await behind.collection("kv_store").namespace("n").set("key", b"value", ttl=60)
    monkeypatch.undo()
    ours = database(server)
    await ours.ping()
    assert await ours.collection("kv_store").namespace("n").get("key") == b"value"
    await behind.close()
    await ours.close()


async def test_a_value_over_16_mb_is_too_large(server: MongoServer) -> None:
    mongo = database(server)
    with pytest.raises(TooLarge, match="16 MB"):
        await mongo.collection("kv_store").namespace("n").set("key", bytes(17_000_000))
    await mongo.close()


async def test_a_url_brings_its_own_database_and_hides_its_password() -> None:
    url = Secret("mongodb://me:s3cret@one:1,two:2/mine?replicaSet=r")
    mongo = MongoDatabase(MongoBackend(type="kv_mongodb", url=url), name="docs")
    assert mongo.address == "one:1,two:2/mine"
    await mongo.close()


@pytest.mark.parametrize(
    "url", ["mongodb://me:hun/s3cret@h", "http://me:s3cret@h", "mongodb://h/?s3cret=s3cret", "mongodb://h/?tls=s3cret"]
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    secret = Secret(Substituted("mongodb://h", lambda: url))
    settings = MongoBackend(type="kv_mongodb", url=secret)
    secret.renew()
    with pytest.raises(Unavailable, match="its url is not one for MongoDB, such as mongodb://host:port/db") as caught:
        MongoDatabase(settings, name="docs")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


async def until_answered(mongo: MongoDatabase) -> None:
    async with asyncio.timeout(5):
        while True:
            with suppress(Unavailable):
                return await mongo.ping()

"""Valkey keeps the key-value contract, and its failures are ours."""

import asyncio
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis, SSLConnection

from stackwright.config.env import Substitution
from stackwright.config.secret import Secret, Substituted
from stackwright.config.storage import RedisBackend
from stackwright.errors import StorageFull, Unavailable
from stackwright.storage.kv import Entry
from stackwright.storage.kv.redis import RedisDatabase
from stackwright.testing.kv_contract import Clients, KVContract
from tests.servers_kv import ValkeyServer


def database(server: ValkeyServer, **settings: Any) -> RedisDatabase:
    """Return a client that is patient, unless told otherwise: a busy machine may stand still for seconds."""
    patient: dict[str, Any] = {"pool_timeout": 20.0, "command_timeout": 20.0}
    backend = RedisBackend(type="kv_redis", host=server.host, port=server.port, **(patient | settings))
    return RedisDatabase(backend, name="cache")


async def ask(server: ValkeyServer, command: str) -> Any:
    async with Redis(host=server.host, port=server.port, protocol=2) as client:
        return await client.execute_command(command)  # type: ignore[no-untyped-call]


class TestRedis(KVContract):
    @pytest.fixture
    async def clients(self, valkey_server: ValkeyServer) -> AsyncIterator[Clients]:
        one, other = database(valkey_server), database(valkey_server)
        yield one, other
        await one.close()
        await other.close()


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A server of the test's own, to be killed."""
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


async def test_a_restarted_server_is_found_again_and_a_dead_one_is_unavailable(server: ValkeyServer) -> None:
    redis = database(server, pool_timeout=1)
    kv = redis.namespace("n")
    await asyncio.gather(*(kv.set(f"key{number}", b"value") for number in range(20)))
    server.kill()
    with pytest.raises(Unavailable, match=f"'cache': Redis at {server.host}:{server.port}/0 does not answer"):
        await kv.get("key")
    with pytest.raises(Unavailable, match="does not answer"):
        await kv.set("key", b"value")
    server.start()
    await asyncio.gather(*(kv.set(f"key{number}", b"new") for number in range(20)))
    assert await kv.compare_and_set("key0", b"new", b"newer") is True
    assert len(await kv.scan()) == 20
    await redis.close()


async def test_flushing_the_server_empties_every_namespace_and_breaks_none(server: ValkeyServer) -> None:
    redis = database(server)
    kv = redis.namespace("n")
    await kv.set("a", b"1")
    await kv.set("b", b"2", ttl=60)
    for command in ("FLUSHALL", "SCRIPT FLUSH"):
        await ask(server, command)
    assert await kv.scan() == []
    assert await kv.get("a") is None
    assert await kv.compare_and_set("a", None, b"3") is True
    assert await kv.scan() == [Entry("a", b"3")]
    await redis.close()


async def test_a_server_that_hangs_is_unavailable_after_the_command_timeout(server: ValkeyServer) -> None:
    redis = database(server, command_timeout=0.2)
    kv = redis.namespace("n")
    await kv.set("key", b"value")
    server.freeze()
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            await kv.get("key")
    finally:
        server.thaw()
    assert await kv.get("key") == b"value"
    await redis.close()


async def test_a_full_pool_is_a_503_within_its_timeout(server: ValkeyServer) -> None:
    redis = database(server, pool_size=2, pool_timeout=0.2, command_timeout=20)
    kv = redis.namespace("n")
    await asyncio.gather(kv.set("a", b""), kv.set("b", b""))
    server.freeze()
    begun = time.monotonic()
    try:
        stuck = [asyncio.create_task(kv.get("a")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match=r"no connection came free within 0\.2 s"):
            await kv.get("a")
        assert time.monotonic() - begun < 10
    finally:
        server.thaw()
    assert await asyncio.gather(*stuck) == [b"", b""]
    await redis.close()


async def test_connections_never_exceed_the_pool(server: ValkeyServer) -> None:
    redis = database(server, pool_size=3)
    namespaces = [redis.namespace(f"n{number}") for number in range(20)]
    await asyncio.gather(*(kv.set(f"key{number}", b"") for kv in namespaces for number in range(20)))
    clients = await ask(server, "CLIENT LIST")
    assert 1 <= len(clients) - 1 <= 3
    await redis.close()


async def test_a_rotated_password_is_read_again(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("first")
    server = ValkeyServer()
    server.password = "first"
    server.start()
    password = Secret(Substitution({}, tmp_path)("${file:password}"))
    redis = database(server, password=password)
    kv = redis.namespace("n")
    await kv.set("key", b"value")
    server.kill()
    server.password = "second"
    server.start()
    with pytest.raises(Unavailable):  # The connection was cut, or the new one is refused.
        await kv.get("key")
    secret.unlink()
    with pytest.raises(Unavailable, match="refuses our credentials"):
        await kv.get("key")
    secret.write_text("third")
    with pytest.raises(Unavailable, match="refuses our credentials"):
        await kv.get("key")
    secret.write_text("second")
    assert await asyncio.gather(*(kv.get("key") for _ in range(5))) == [None] * 5
    await redis.close()
    server.remove()


async def test_a_full_memory_is_storage_full(server: ValkeyServer) -> None:
    redis = database(server)
    await ask(server, "CONFIG SET maxmemory 1")
    with pytest.raises(StorageFull, match="'cache'"):
        await redis.namespace("n").set("key", b"value")
    await redis.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "h", "db": 2, "username": "me", "password": Secret("s3cret"), "tls": True, "ca_cert_path": "ca.pem"},
        {"url": Secret("rediss://me:s3cret@h/2"), "ca_cert_path": "ca.pem"},
    ],
    ids=["parts", "url"],
)
def test_tls_and_credentials_reach_every_connection(settings: dict[str, Any]) -> None:
    redis = RedisDatabase(RedisBackend(type="kv_redis", **settings), name="cache")
    connection = redis.pool.make_connection()  # type: ignore[no-untyped-call]
    assert isinstance(connection, SSLConnection)
    assert (connection.host, connection.port, connection.db, connection.ca_certs) == ("h", 6379, 2, "ca.pem")
    assert connection.cert_reqs == ssl.CERT_REQUIRED
    assert connection.credential_provider
    assert connection.credential_provider.get_credentials() == ("me", "s3cret")
    assert redis.address == "h:6379/2"


@pytest.mark.parametrize(
    "url", ["redis://me:s3cret/x@h", "http://me:s3cret@h", "redis://h?s3cret=s3cret", "redis://h?socket_timeout=s3cret"]
)
def test_a_url_that_is_none_is_refused_without_showing_it(url: str) -> None:
    # It was right when the run file was read, and has been read again since.
    secret = Secret(Substituted("redis://h", lambda: url))
    settings = RedisBackend(type="kv_redis", url=secret)
    secret.renew()
    with pytest.raises(Unavailable, match="its url is not one for Redis, such as redis://host:port/0") as caught:
        RedisDatabase(settings, name="cache")
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))

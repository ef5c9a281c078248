"""Named backends: opened once, shared by address, healing by themselves."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stackwright.config.storage import KVReference, SqlReference, Storage
from stackwright.errors import StackwrightError, Unavailable
from stackwright.storage.backends import BackendStatus, NamedBackends, open_backends
from stackwright.storage.sql import Do
from tests.servers import PostgresServer, free_port
from tests.servers_kv import MongoServer, ValkeyServer


def storage(**backends: dict[str, Any]) -> Storage:
    return Storage.model_validate({"backends": backends})


def sqlite(type: str, path: Path | str, **more: Any) -> dict[str, Any]:
    return {"type": type, "db_path": str(path), **more}


def postgres(type: str, server: PostgresServer, db: str, **more: Any) -> dict[str, Any]:
    place = {"host": server.host, "port": server.port, "db": db, "user": server.user, "password": server.password}
    return {"type": type, **place, **more}


def place(backend: str, namespace: str = "test") -> KVReference:
    return KVReference(backend=backend, namespace=namespace)


async def until(true: Callable[[], bool], within: float = 10.0) -> None:
    async with asyncio.timeout(within):
        while not true():  # noqa: ASYNC110 - looks from outside, as an operator does
            await asyncio.sleep(0.02)


async def test_twenty_namespaces_and_eight_stores_share_one_pool(
    postgres_server: PostgresServer, postgres_db: str
) -> None:
    small = postgres("kv_postgres", postgres_server, postgres_db, pool_size=4, max_overflow=0)
    large = postgres("sql_postgres", postgres_server, postgres_db, pool_timeout=10)
    url = {"type": "kv_postgres", "connection_string": postgres_server.url(postgres_db)}
    settings = storage(kv_default=small, sql_default=large, kv_url={**url, "namespace": "other"})
    query = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{postgres_db}'"
    async with open_backends(settings) as backends:
        spaces = [backends.kv(place(name, f"n{number}")) for number in range(10) for name in ("kv_default", "kv_url")]
        stores = [backends.sql(SqlReference(backend="sql_default", table_name=f"t{number}")) for number in range(8)]
        work = [kv.set(f"key{number}", b"value") for kv in spaces for number in range(20)]
        reads = [sql.fetch("SELECT pg_sleep(0.01)") for sql in stores for _ in range(20)]
        most = 0

        async def count() -> None:
            nonlocal most
            while True:
                most = max(most, int(await asyncio.to_thread(postgres_server.sql, query)))

        counting = asyncio.create_task(count())
        await asyncio.gather(*work, *reads)
        await until(lambda: most > 0)
        counting.cancel()
        assert [len(await kv.scan()) for kv in spaces] == [20] * 20
    assert 1 <= most <= 4


async def test_two_spellings_of_one_sqlite_file_are_one_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    spellings = ["~/real/a.db", f"{tmp_path}/real/../real/a.db", f"{tmp_path}/link/a.db"]
    backends = {f"kv{number}": sqlite("kv_sqlite", path) for number, path in enumerate(spellings)}
    settings = storage(**backends, sql=sqlite("sql_sqlite", "~/real/a.db"), other=sqlite("sql_sqlite", "~/b.db"))
    async with open_backends(settings) as catalog:
        await catalog.kv(place("kv0")).set("key", b"value")
        assert [await catalog.kv(place(f"kv{n}")).get("key") for n in (1, 2)] == [b"value"] * 2
        rows = await catalog.sql(SqlReference(backend="sql", table_name="t")).fetch("SELECT key FROM kv_store")
        assert rows == [("key",)]
        assert {one.address for one in catalog.status()} == {f"{tmp_path}/real/a.db", f"{tmp_path}/b.db"}


async def test_a_backends_namespace_is_a_prefix_nobody_can_forge(tmp_path: Path) -> None:
    path = tmp_path / "kv.db"
    prefixes = {"none": None, "a": "a", "ab": "a:b"}
    settings = storage(**{name: sqlite("kv_sqlite", path, namespace=prefix) for name, prefix in prefixes.items()})
    async with open_backends(settings) as backends:
        places = [place("none", "a:b:c"), place("a", "b:c"), place("ab", "c"), place("none", "c"), place("a", "c")]
        for number, reference in enumerate(places):
            await backends.kv(reference).set("key", b"%d" % number)
        assert [await backends.kv(reference).get("key") for reference in places] == [b"0", b"1", b"2", b"3", b"4"]


async def test_two_tables_in_one_database_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "kv.db"
    settings = storage(one=sqlite("kv_sqlite", path, table_name="one"), two=sqlite("kv_sqlite", path, table_name="two"))
    async with open_backends(settings) as backends:
        await backends.kv(place("one")).set("key", b"value")
        assert await backends.kv(place("two")).get("key") is None


async def test_status_names_addresses_and_keeps_secrets(
    tmp_path: Path, postgres_server: PostgresServer, postgres_db: str
) -> None:
    url = postgres_server.url(postgres_db)
    settings = Storage.model_validate(
        {
            "backends": {
                "kv_default": sqlite("kv_sqlite", tmp_path / "kv.db"),
                "sql_default": {"type": "sql_postgres", "connection_string": url},
                "cache": {"type": "kv_redis", "url": "redis://me:s3cret@127.0.0.1:1/3"},
                "docs": {"type": "kv_mongodb", "url": "mongodb://me:s3cret@127.0.0.1:1/mine", "pool_timeout": 0.2},
            },
            "stores": {"metadata": {"backend": "cache", "namespace": "registry"}},
        }
    )
    async with open_backends(settings) as backends:
        status = backends.status()
        assert set(backends.troubles()) == {"cache", "docs"}
    where = f"postgres@127.0.0.1:{postgres_server.port}/{postgres_db}"
    assert [(one.name, one.type, one.address) for one in status] == [
        ("kv_default", "kv_sqlite", str(tmp_path / "kv.db")),
        ("sql_default", "sql_postgres", where),
        ("cache", "kv_redis", "127.0.0.1:1/3"),
        ("docs", "kv_mongodb", "127.0.0.1:1/mine"),
    ]
    assert status[0] == BackendStatus(
        name="kv_default", type="kv_sqlite", address=str(tmp_path / "kv.db"), trouble=None
    )
    assert "s3cret" not in repr(status)
    assert postgres_server.password not in repr(status)


async def test_an_absent_database_is_reported_and_heals_without_a_restart(tmp_path: Path) -> None:
    server = ValkeyServer()
    redis = {"type": "kv_redis", "host": server.host, "port": server.port, "pool_timeout": 0.5}
    try:
        async with open_backends(storage(cache=redis, kv=sqlite("kv_sqlite", tmp_path / "kv.db"))) as backends:
            kv = backends.kv(place("cache"))
            assert set(backends.troubles()) == {"cache"}
            assert f"{server.host}:{server.port}" in backends.troubles()["cache"]
            with pytest.raises(Unavailable, match="'cache'"):
                await kv.get("key")
            await asyncio.to_thread(server.start)
            await until(lambda: not backends.troubles())
            await kv.set("key", b"value")
            server.kill()
            await until(lambda: "cache" in backends.troubles())
    finally:
        server.remove()


async def test_an_absent_postgres_heals_and_its_table_is_made_then(postgres_server: PostgresServer) -> None:
    db = postgres_server.create_database()
    settings = storage(
        kv=postgres("kv_postgres", postgres_server, db), sql=postgres("sql_postgres", postgres_server, db)
    )
    postgres_server.stop("immediate")
    try:
        async with open_backends(settings) as backends:
            kv = backends.kv(place("kv"))
            assert set(backends.troubles()) == {"kv", "sql"}
            with pytest.raises(Unavailable, match="'kv, sql'"):
                await kv.set("key", b"value")
            await asyncio.to_thread(postgres_server.start)
            await until(lambda: not backends.troubles())
            await kv.set("key", b"value")
            assert await kv.get("key") == b"value"
            await asyncio.to_thread(postgres_server.stop, "immediate")
            await asyncio.to_thread(postgres_server.start)
            await until(lambda: not backends.troubles())
            assert await kv.get("key") == b"value"
    finally:
        if postgres_server.sql("SELECT 1") != "1":
            postgres_server.start()


async def test_a_file_that_cannot_be_made_is_reported_and_heals(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("not a folder")
    settings = storage(kv=sqlite("kv_sqlite", tmp_path / "folder" / "kv.db", command_timeout=0.5))
    async with open_backends(settings) as backends:
        assert str(tmp_path / "folder") in backends.troubles()["kv"]
        with pytest.raises(Unavailable, match="'kv'"):
            await backends.kv(place("kv")).get("key")
        (tmp_path / "folder").unlink()
        await until(lambda: not backends.troubles())
        await backends.kv(place("kv")).set("key", b"value")
        assert await backends.kv(place("kv")).get("key") == b"value"


async def test_a_database_that_hangs_does_not_hold_up_a_ping() -> None:
    async with open_backends(storage(cache={"type": "kv_redis", "port": free_port()})) as backends:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await backends.ping(timeout=0.2)
        assert loop.time() - begun < 1


async def test_a_full_pool_is_not_an_absent_database(postgres_server: PostgresServer, postgres_db: str) -> None:
    one = postgres("sql_postgres", postgres_server, postgres_db, pool_size=1, max_overflow=0, pool_timeout=0.1)
    async with open_backends(storage(sql=one)) as backends:
        sql = backends.sql(SqlReference(backend="sql", table_name="t"))
        slow = asyncio.create_task(sql.commit(Do("SELECT pg_sleep(1)")))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="1 connections"):
            await sql.fetch("SELECT 1")
        await backends.ping(timeout=0.5)
        assert backends.troubles() == {}
        await slow


async def test_a_reference_that_leads_nowhere_says_what_there_is(tmp_path: Path) -> None:
    settings = storage(kv_default=sqlite("kv_sqlite", tmp_path / "a"), sql_default=sqlite("sql_sqlite", tmp_path / "b"))
    async with open_backends(settings) as backends:
        with pytest.raises(StackwrightError, match=r"No KV backend is named 'sql_default'\. Known: kv_default\."):
            backends.kv(place("sql_default"))
        with pytest.raises(StackwrightError, match=r"No SQL backend is named 'nobody'\. Known: sql_default\."):
            backends.sql(SqlReference(backend="nobody", table_name="t"))


async def test_all_backend_types_open_together(
    tmp_path: Path,
    postgres_server: PostgresServer,
    postgres_db: str,
    valkey_server: ValkeyServer,
    mongo_server: MongoServer,
) -> None:
    settings = storage(
        a=sqlite("kv_sqlite", tmp_path / "a.db"),
        b=postgres("kv_postgres", postgres_server, postgres_db),
        c={"type": "kv_redis", "url": f"redis://{valkey_server.host}:{valkey_server.port}/0"},
        d={"type": "kv_mongodb", "url": f"mongodb://{mongo_server.host}:{mongo_server.port}/mine"},
        e=sqlite("sql_sqlite", tmp_path / "a.db"),
        f=postgres("sql_postgres", postgres_server, postgres_db),
    )
    async with open_backends(settings) as backends:
        assert backends.troubles() == {}
        for name in "abcd":
            kv = backends.kv(place(name, "all"))
            await kv.set("key", name.encode())
            assert await kv.get("key") == name.encode()


@pytest.mark.parametrize(
    ("type", "library", "extra"), [("kv_redis", "redis", "redis"), ("kv_mongodb", "pymongo", "mongodb")]
)
def test_a_missing_library_is_named_with_the_extra_that_brings_it(type: str, library: str, extra: str) -> None:
    # In a fresh process, where None in sys.modules makes the import fail as if the package were not installed.
    script = f"""
import asyncio, sys
sys.modules[{library!r}] = None
from stackwright.config.storage import Storage
from stackwright.storage.backends import open_backends
async def main():
    async with open_backends(Storage.model_validate({{"backends": {{"x": {{"type": {type!r}}}}}}})):
        pass
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"Backend 'x' ({type}) needs the Python package" in done.stderr
    assert f"pip install 'stackwright[{extra}]'" in done.stderr


def test_drivers_are_not_imported_until_their_backend_is_named() -> None:
    script = "import sys, stackwright.storage.backends; print({'redis', 'pymongo'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_catalog_is_what_providers_ask_for(tmp_path: Path) -> None:
    from stackwright.providers.provider import Backends

    catalog: Backends = NamedBackends(storage(kv=sqlite("kv_sqlite", tmp_path / "kv.db")))
    assert catalog.kv(place("kv")) is not None

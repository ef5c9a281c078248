"""What one process tells another through Postgres, and what is left when it cannot."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from stackwright.storage.sql import Migration, postgres_bell
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.postgres_bell import PostgresBell
from tests.servers import PostgresServer
from tests.storage.sql.databases import eventually, settings_for

Listen = Callable[[str], Awaitable[PostgresBell]]

TABLES = [Migration(1, [f"CREATE TABLE {name} (id BIGINT)" for name in ("notes", "tales")])]
CUT = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'NOTIFY%' AND datname = '{}'"


@pytest.fixture
async def listen(postgres_server: PostgresServer, postgres_db: str) -> AsyncIterator[Listen]:
    """Let one more process listen for a table."""
    async with AsyncExitStack() as stack:

        async def listening(table: str) -> PostgresBell:
            database = PostgresDatabase(settings_for(postgres_server, postgres_db), name="pg")
            await database.open()
            stack.push_async_callback(database.close)
            await database.migrate("tables", TABLES)
            bell = database.bell(table)
            await stack.enter_async_context(bell.listening())
            await eventually(lambda: hears(bell))
            return bell

        yield listening


async def hears(bell: PostgresBell) -> bool:
    return bell.hears


async def deaf(bell: PostgresBell) -> bool:
    return not bell.hears


async def waited(bell: PostgresBell, within: float) -> float:
    """Return how long it took to hear something."""
    begun = time.monotonic()
    await bell.heard(within)
    return time.monotonic() - begun


async def quiet(*bells: PostgresBell) -> None:
    """Hear out what the beginnings rang."""
    for bell in bells:
        while await waited(bell, 0.3) < 0.3:
            pass


async def test_a_ring_is_heard_by_the_others_of_its_table(listen: Listen) -> None:
    one, two, stranger = await listen("notes"), await listen("notes"), await listen("tales")
    await quiet(one, two, stranger)
    one.ring()
    heard = await asyncio.gather(waited(two, 20), waited(one, 0.5), waited(stranger, 0.5))
    assert heard[0] < 10
    assert min(heard[1:]) >= 0.5


async def test_a_crowd_of_rings_is_told_at_once(listen: Listen) -> None:
    one, two = await listen("notes"), await listen("notes")
    await quiet(two)

    async def crowd() -> None:
        for _ in range(200):
            one.ring()
            await asyncio.sleep(0.002)

    begun, times = time.monotonic(), 0
    ringing = asyncio.create_task(crowd())
    while not ringing.done():
        await two.heard(20)
        times += 1
    assert 0 < times <= (time.monotonic() - begun) / postgres_bell.GAP + 1
    one.ring()
    assert await waited(two, 20) < 10


async def test_who_is_cut_off_knows_it_quietly_and_hears_again(
    listen: Listen, postgres_server: PostgresServer, postgres_db: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = await listen("notes"), await listen("notes")
    await quiet(one, two)
    postgres_server.sql(f"ALTER DATABASE {postgres_db} ALLOW_CONNECTIONS false")
    assert postgres_server.sql(CUT.format(postgres_db)) == "2"
    assert await waited(two, 20) < 10, "who cannot be told any more was left waiting"
    await asyncio.gather(eventually(lambda: deaf(one)), eventually(lambda: deaf(two)))
    one.ring()
    postgres_server.sql(f"ALTER DATABASE {postgres_db} ALLOW_CONNECTIONS true")
    await asyncio.gather(eventually(lambda: hears(one)), eventually(lambda: hears(two)))
    await quiet(one, two)
    one.ring()
    assert await waited(two, 20) < 10
    assert not caplog.records


async def test_a_silent_connection_is_tried_before_others_end_it(
    listen: Listen, postgres_server: PostgresServer, postgres_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_bell, "HEARTBEAT", 0.05)
    postgres_server.sql(f"ALTER DATABASE {postgres_db} SET idle_session_timeout = '800ms'")
    bell = await listen("notes")
    await quiet(bell)
    assert await waited(bell, 1.2) >= 1.2, "a heartbeat was taken for a change"
    assert bell.hears


async def test_a_table_that_comes_later_is_listened_for(postgres_server: PostgresServer, postgres_db: str) -> None:
    database = PostgresDatabase(settings_for(postgres_server, postgres_db), name="pg")
    await database.open()
    bell = database.bell("notes")
    async with bell.listening():
        await asyncio.sleep(0.1)
        assert not bell.hears
        await database.migrate("tables", TABLES)
        await eventually(lambda: hears(bell))
    await database.close()
    assert postgres_server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{postgres_db}'") == "0"

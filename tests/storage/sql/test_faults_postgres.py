"""What callers see of a Postgres that is away, restarted, full, or has changed its password."""

import asyncio
import gc
import sys
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from stackwright.config.secret import Secret, Substituted
from stackwright.errors import StackwrightError, Unavailable
from stackwright.storage.sql import Do, Migration, Row, Script, postgres_pool
from stackwright.storage.sql.failures import OutcomeUnknown, SchemaTooNew
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.storage.sql.postgres_connect import Connector
from stackwright.storage.sql.writer import WriteQueue
from tests.servers import PostgresServer
from tests.storage.sql.databases import eventually, settings_for

Open = Callable[..., Awaitable[PostgresDatabase]]

NOTES = [Migration(1, ["CREATE TABLE notes (id BIGINT PRIMARY KEY)"])]
INSERT = "INSERT INTO notes (id) VALUES ($1)"
SUICIDE = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
async def open_database(postgres_server: PostgresServer, postgres_db: str) -> AsyncIterator[Open]:
    async with AsyncExitStack() as opened:

        async def open_one(**changes: Any) -> PostgresDatabase:
            database = PostgresDatabase(settings_for(postgres_server, postgres_db, **changes), name="pg")
            await database.open()
            opened.push_async_callback(database.close)
            return database

        yield open_one


async def works(database: PostgresDatabase) -> bool:
    try:
        await database.ping()
    except Unavailable:
        return False
    return True


def connections(server: PostgresServer, db: str) -> int:
    return int(server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{db}'"))


async def stored(database: PostgresDatabase) -> set[int]:
    return {number for (number,) in await database.fetch("SELECT id FROM notes")}


async def write_until(stop: asyncio.Event, queue: WriteQueue, numbers: Iterator[int]) -> set[int]:
    """Insert rows until told to stop; only 503s are allowed on the way. Returns the acknowledged ones."""
    acknowledged: set[int] = set()
    while not stop.is_set():
        number = next(numbers)
        with suppress(Unavailable):
            await queue.commit(Do(INSERT, (number,)))
            acknowledged.add(number)
        await asyncio.sleep(0.001)
    return acknowledged


async def write_during(database: PostgresDatabase, trouble: Callable[[], Awaitable[None]]) -> set[int]:
    """Let 8 clients write while there is trouble, until writing works again. Returns the acknowledged ids."""
    queue = WriteQueue(database, max_waiting=100, batches=4)
    numbers, stop = count(), asyncio.Event()
    writers = [asyncio.create_task(write_until(stop, queue, numbers)) for _ in range(8)]
    await trouble()
    await eventually(lambda: works(database))
    stop.set()
    return set().union(*await asyncio.gather(*writers))


async def test_a_database_that_is_away_at_the_start_is_used_once_it_is_there(
    postgres_server: PostgresServer, open_database: Open
) -> None:
    postgres_server.stop()
    try:
        start = time.monotonic()
        database = await open_database()
        await database.migrate("notes", NOTES)
        for _ in range(20):
            with pytest.raises(Unavailable, match="Backend 'pg': cannot connect to postgres@127"):
                await database.fetch("SELECT id FROM notes")
        assert time.monotonic() - start < 5
    finally:
        postgres_server.start()
    await eventually(lambda: works(database))
    await database.commit(Do(INSERT, (1,)))
    assert await stored(database) == {1}


async def test_a_newer_schema_found_late_is_refused_at_every_use(
    postgres_server: PostgresServer, open_database: Open
) -> None:
    newer = await open_database()
    await newer.migrate("notes", [*NOTES, Migration(2, ["CREATE TABLE more (id BIGINT)"])])
    postgres_server.stop()
    try:
        database = await open_database()
        await database.migrate("notes", NOTES)
    finally:
        postgres_server.start()
    with pytest.raises(SchemaTooNew):
        await eventually(lambda: works(database))
    with pytest.raises(SchemaTooNew):
        await database.commit(Do(INSERT, (1,)))


async def test_a_crash_and_restart_cost_503s_and_no_acknowledged_row(
    postgres_server: PostgresServer, open_database: Open
) -> None:
    database = await open_database()
    await database.migrate("notes", NOTES)

    async def crash() -> None:
        await asyncio.sleep(0.2)
        await asyncio.to_thread(postgres_server.stop, "immediate")
        await asyncio.to_thread(postgres_server.start)

    acknowledged = await write_during(database, crash)
    assert len(acknowledged) > 0
    assert acknowledged <= await stored(database)


async def test_killed_connections_cost_503s_and_no_acknowledged_row(
    postgres_server: PostgresServer, postgres_db: str, open_database: Open
) -> None:
    database = await open_database(pool_size=3, max_overflow=2)
    await database.migrate("notes", NOTES)
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{postgres_db}'"

    async def keep_killing() -> None:
        for _ in range(10):
            await asyncio.to_thread(postgres_server.sql, kill)
            assert connections(postgres_server, postgres_db) <= 5

    acknowledged = await write_during(database, keep_killing)
    assert len(acknowledged) > 0
    assert acknowledged <= await stored(database)


async def test_a_read_does_not_notice_that_every_connection_was_killed(
    postgres_server: PostgresServer, postgres_db: str, open_database: Open
) -> None:
    database = await open_database()
    await asyncio.gather(*(database.fetch("SELECT pg_sleep(0.05)") for _ in range(8)))
    postgres_server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{postgres_db}'")
    assert await asyncio.gather(*(database.fetch("SELECT 1") for _ in range(8))) == [[(1,)]] * 8


async def test_a_write_whose_answer_was_lost_is_not_repeated(open_database: Open) -> None:
    database = await open_database()
    await database.migrate("notes", NOTES)
    with pytest.raises(OutcomeUnknown, match="whether the write happened is unknown") as failure:
        await database.commit(Do(SUICIDE))
    assert failure.value.status == 503
    await database.commit(Do(INSERT, (1,)))


async def test_a_script_whose_connection_dies_before_the_commit_runs_again(open_database: Open) -> None:
    database = await open_database()
    await database.migrate("notes", NOTES)
    runs: list[int] = []

    def script() -> Script[int]:
        runs.append(len(runs))
        yield Do(INSERT, (len(runs),))
        if len(runs) == 1:
            yield Do(SUICIDE)
        return len(runs)

    assert await database.transact(script) == 2
    assert await stored(database) == {2}


async def test_scripts_that_lock_each_other_out_both_succeed(open_database: Open) -> None:
    database = await open_database()
    await database.migrate("notes", NOTES)
    await database.commit(Do("INSERT INTO notes (id) VALUES (1), (2)"))

    def script(first: int, second: int) -> Script[list[Row]]:
        yield Do("SELECT id FROM notes WHERE id = $1 FOR UPDATE", (first,))
        yield Do("SELECT pg_sleep(0.1)")
        return (yield Do("SELECT id FROM notes WHERE id = $1 FOR UPDATE", (second,)))

    outcomes = await asyncio.gather(database.transact(lambda: script(1, 2)), database.transact(lambda: script(2, 1)))
    assert list(outcomes) == [[(2,)], [(1,)]]


async def test_a_full_pool_is_a_503_within_its_timeout(open_database: Open) -> None:
    database = await open_database(pool_size=1, max_overflow=1, pool_timeout=0.3)
    holders = [asyncio.create_task(database.fetch("SELECT pg_sleep(30)")) for _ in range(2)]
    await asyncio.sleep(0.1)
    start = time.monotonic()
    with pytest.raises(Unavailable, match="all 2 connections of its pool were in use") as refusal:
        await database.fetch("SELECT 1")
    assert 0.25 < time.monotonic() - start < 5
    assert refusal.value.code == "pool_full"
    for holder in holders:
        holder.cancel()
    await asyncio.wait(holders)
    await database.ping()


async def test_a_crowd_never_gets_more_connections_than_pool_and_overflow(
    postgres_server: PostgresServer, postgres_db: str, open_database: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "SPARE_SECONDS", 0.2)
    database = await open_database(pool_size=3, max_overflow=4, pool_timeout=60)
    crowd = asyncio.gather(*(database.fetch("SELECT pg_sleep(0.02)") for _ in range(200)))
    most = 0
    while not crowd.done():
        most = max(most, await asyncio.to_thread(connections, postgres_server, postgres_db))
    await crowd
    assert 3 < most <= 7

    async def back_to_the_pool_size() -> bool:
        return connections(postgres_server, postgres_db) == 3

    await eventually(back_to_the_pool_size)


async def test_connections_above_the_pool_size_wait_a_moment_for_the_next_crowd(open_database: Open) -> None:
    database = await open_database(pool_size=1, max_overflow=4)

    async def crowd() -> set[object]:
        rows = await asyncio.gather(*(database.fetch("SELECT pg_backend_pid(), pg_sleep(0.05)") for _ in range(5)))
        return {row[0] for [row] in rows}

    first = await crowd()
    assert len(first) == 5
    assert await crowd() == first


async def test_a_reader_that_leaves_gives_its_connection_back(open_database: Open) -> None:
    database = await open_database(pool_size=1, max_overflow=0)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await database.fetch("SELECT pg_sleep(5)")
    assert await database.fetch("SELECT 1") == [(1,)]


async def test_an_old_connection_is_replaced(open_database: Open) -> None:
    async def backend_of(database: PostgresDatabase) -> list[Row]:
        return await database.fetch("SELECT pg_backend_pid()")

    kept, recycled = await open_database(), await open_database(pool_recycle=0)
    assert await backend_of(kept) == await backend_of(kept)
    assert await backend_of(recycled) != await backend_of(recycled)


async def test_a_statement_that_takes_too_long_is_a_503(open_database: Open) -> None:
    database = await open_database(command_timeout=0.2)
    with pytest.raises(Unavailable, match="no answer within command_timeout"):
        await database.fetch("SELECT pg_sleep(5)")
    with pytest.raises(OutcomeUnknown):
        await database.commit(Do("SELECT pg_sleep(5)"))
    await database.ping()


@pytest.mark.parametrize("form", ["parts", "connection_string"])
async def test_a_rotated_password_is_picked_up(
    postgres_server: PostgresServer, postgres_db: str, tmp_path: Path, open_database: Open, form: str
) -> None:
    file, role = tmp_path / "password", f"role_{form}_{postgres_db}"
    file.write_text("first")
    postgres_server.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")

    def again() -> str:
        return file.read_text()

    def url() -> str:
        return postgres_server.url(postgres_db, user=role, password=file.read_text())

    changes: dict[str, Any] = {"user": role, "password": Secret(Substituted(again(), again))}
    if form == "connection_string":
        changes = {"connection_string": Secret(Substituted(url(), url))}
    database = await open_database(**changes)
    await database.ping()
    assert "first" not in database.address
    postgres_server.sql(f"ALTER ROLE {role} PASSWORD 'second'")
    postgres_server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
    with pytest.raises(Unavailable, match="refuses our credentials"):
        await database.ping()
    file.write_text("second")
    await eventually(lambda: works(database))


@pytest.mark.parametrize(
    "changes",
    [{"ssl_mode": "require"}, {"ca_cert_path": "/nowhere/ca.pem"}],
    ids=["a server without TLS", "a missing certificate"],
)
async def test_settings_that_cannot_work_are_a_503_that_keeps_secrets(
    open_database: Open, changes: dict[str, Any]
) -> None:
    database = await open_database(**changes)
    with pytest.raises(Unavailable) as failure:
        await database.ping()
    assert "correct horse" not in str(failure.value)


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
@pytest.mark.parametrize("as_url", [False, True], ids=["parts", "connection string"])
async def test_a_certificate_to_be_checked_without_an_authority_says_which_setting_is_missing(
    open_database: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, as_url: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    url = Secret(f"postgresql://u:s3cret@127.0.0.1:1/d?sslmode={mode}")
    database = await open_database(**({"connection_string": url} if as_url else {"ssl_mode": mode}))
    with pytest.raises(Unavailable, match=f"ssl_mode '{mode}' checks .* Set ca_cert_path") as failure:
        await database.ping()
    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize("url", ["postgresql://[", "postgresql://u:s3cret/x@h/d", "postgresql://u:1?s3cret@h/d"])
async def test_a_connection_string_that_is_none_is_a_503_without_showing_it(open_database: Open, url: str) -> None:
    secret = Secret(Substituted("postgresql://127.0.0.1:1/d", lambda: url))
    database = await open_database(connection_string=secret)
    secret.renew()
    with pytest.raises(Unavailable, match="cannot be understood") as failure:
        await eventually(lambda: tried(database))
    assert "s3cret" not in database.address + "".join(traceback.format_exception(failure.value))


async def tried(database: PostgresDatabase) -> bool:
    """Ping; False when that only says that it was away before."""
    try:
        await database.ping()
    except Unavailable as failure:
        if "understood" in failure.message:
            raise
        return False
    return True


async def test_postgres_shows_whose_connections_they_are(postgres_server: PostgresServer, postgres_db: str) -> None:
    names = []
    for settings in (
        settings_for(postgres_server, postgres_db),
        settings_for(
            postgres_server,
            postgres_db,
            connection_string=Secret(postgres_server.url(postgres_db) + "?application_name=mine"),
        ),
    ):
        database = PostgresDatabase(settings, name="pg", application="stackwright/foo")
        names += await database.fetch("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        await database.close()
    assert names == [("stackwright/foo",), ("mine",)]


async def test_a_queued_write_is_refused_when_its_patience_is_over(open_database: Open) -> None:
    database = await open_database(pool_size=1, max_overflow=0)
    await database.migrate("notes", NOTES)
    loop = asyncio.get_running_loop()
    lane = database.lane(1)
    slow = lane.submit(lambda: slowly(1.5), 20.0)
    await asyncio.sleep(0)
    begun = loop.time()
    hasty = [lane.submit([Do(INSERT, (number,))], 0.3) for number in range(3)]
    patient = lane.submit([Do(INSERT, (9,))], 20.0)
    for one in hasty:
        with pytest.raises(Unavailable, match="took too long"):
            await one
    assert (loop.time() - begun > 0.25, slow.done()) == (True, False)
    await asyncio.gather(slow, patient)
    assert await stored(database) == {9}


def slowly(seconds: float) -> Script[None]:
    yield Do("SELECT pg_sleep($1)", (seconds,))


async def test_closing_finishes_the_queued_writes(open_database: Open) -> None:
    database, witness = await open_database(), await open_database()
    await database.migrate("notes", NOTES)
    queue = WriteQueue(database, max_waiting=100, batches=2)
    writes = [asyncio.create_task(queue.commit(Do(INSERT, (number,)))) for number in range(50)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    assert await stored(witness) == set(range(50))
    with pytest.raises(Unavailable, match="closed"):
        await database.ping()


async def test_four_that_migrate_at_once_do_it_once(open_database: Open) -> None:
    databases = [await open_database() for _ in range(4)]
    outcomes = await asyncio.gather(*(one.migrate("notes", NOTES) for one in databases), return_exceptions=True)
    assert not [outcome for outcome in outcomes if isinstance(outcome, StackwrightError)]
    assert await databases[0].fetch("SELECT store, version FROM stackwright_schema") == [("notes", 1)]


async def test_a_connection_that_nobody_waits_for_any_more_is_closed(
    postgres_server: PostgresServer, postgres_db: str
) -> None:
    connector = Connector(settings_for(postgres_server, postgres_db), name="pg", application="test")

    async def left(after: float) -> None:
        connecting = asyncio.create_task(connector.connect())
        await asyncio.sleep(after)
        connecting.cancel()
        with suppress(asyncio.CancelledError):
            (await connecting).terminate()

    for quarter in range(80):
        await left(quarter / 4000)
    # An open one that is collected warns, and a warning fails the test.
    gc.collect()


async def test_a_pooler_that_loses_prepared_statements_is_named(open_database: Open) -> None:
    # What a pooler does that hands out connections by the transaction: the statement is another connection's.
    database = await open_database(pool_size=1, max_overflow=0)
    await database.fetch("SELECT 2")
    await database.fetch("DEALLOCATE ALL")
    with pytest.raises(Unavailable, match=r"'pg' forgets prepared statements: .* `max_prepared_statements`"):
        await database.fetch("SELECT 2")


async def test_two_processes_never_name_a_statement_alike(open_database: Open) -> None:
    names = "SELECT name FROM pg_prepared_statements"
    here = {name for (name,) in await (await open_database()).fetch(names)}
    program = "from stackwright.storage.sql.postgres_pool import _process; print(_process)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    other = (await process.communicate())[0].decode().strip()
    assert here
    assert other
    assert not any(other in name for name in here)


async def test_a_role_that_may_not_make_tables_is_told_of_and_heals(
    open_database: Open, postgres_server: PostgresServer, postgres_db: str
) -> None:
    role = f"poor_{postgres_db}"
    postgres_server.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    database = await open_database(user=role, password=Secret("secret"))
    await database.migrate("notes", NOTES)
    with pytest.raises(Unavailable, match=r"permission denied for schema public\. Its role must be allowed"):
        await database.ping()
    postgres_server.sql(f"ALTER ROLE {role} SET search_path = nowhere")
    nowhere = await open_database(user=role, password=Secret("secret"))
    await nowhere.migrate("notes", NOTES)
    with pytest.raises(Unavailable, match="no schema has been selected to create in"):
        await nowhere.ping()
    postgres_server.sql(f"GRANT CREATE ON SCHEMA public TO {role}", postgres_db)
    await database.ping()
    assert await stored(database) == set()


async def test_a_lock_that_the_server_does_not_wait_for_is_a_503(
    open_database: Open, postgres_server: PostgresServer, postgres_db: str
) -> None:
    await (await open_database()).migrate("notes", NOTES)
    postgres_server.sql(f"ALTER DATABASE {postgres_db} SET lock_timeout = '10ms'")
    database = await open_database()
    holder = await Connector(settings_for(postgres_server, postgres_db), name="pg", application="test").connect()
    await holder.execute("BEGIN; LOCK TABLE notes")
    with pytest.raises(Unavailable, match="canceled a statement: canceling statement due to lock timeout"):
        await database.commit(Do(INSERT, (1,)))
    await holder.close()
    await database.commit(Do(INSERT, (1,)))
    assert await stored(database) == {1}

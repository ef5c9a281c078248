"""Several processes on one database: races end there, and news travel within a second."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress

import pytest
from openai import ConflictError, NotFoundError

from stackwright import AsyncStackwright
from stackwright.areas.prompts import memory
from stackwright.areas.prompts.apply import Resolved
from stackwright.areas.prompts.compiled import Compiled
from stackwright.areas.prompts.failures import UnknownPrompt
from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.memory import TOLD_POLL
from stackwright.areas.prompts.rows import VersionRow
from stackwright.areas.prompts.service import Prompts
from stackwright.areas.prompts.types import NewDefault, NewLabel, NewPrompt, NewVersion
from stackwright.storage.sql import Do
from stackwright.storage.sql.postgres import PostgresDatabase
from stackwright.wire.responses import PromptRef
from tests.areas.prompts.conftest import Connect, Replica
from tests.databases import backend_at
from tests.running import RunningServer
from tests.servers import PostgresServer
from tests.storage.sql.databases import eventually, settings_for

ADA = Who("ada", "ada", "req_1")
PUBLICATIONS = 500
CUT = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'NOTIFY%'"
RUN_FILE = """
version: 2
apis: [prompts]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: %s
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunningServer]]:
    """Two server processes on one database."""
    folder = tmp_path_factory.mktemp("replicas")
    where = str(folder / "sql.db")
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        where = server.url(server.create_database())
    with ExitStack() as stack:
        started = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            running = RunningServer(folder / name, RUN_FILE % backend_at(where, "pool_timeout: 30"))
            stack.callback(running.close)
            started.append(running)
        for running in started:
            running.start()
        for running in started:
            running.wait_for("/ready")
        yield started


@pytest.fixture
async def clients(servers: list[RunningServer]) -> AsyncIterator[list[AsyncStackwright]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                AsyncStackwright(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=60)
            )
            for server in servers
        ]


def latest_of(error: ConflictError) -> int:
    """Return what a refused publication should be based on."""
    assert isinstance(error.body, dict)
    assert error.code == "prompt_version_conflict"
    return int(error.body["latest_version"])


async def test_concurrent_publications_number_the_versions_without_a_gap(clients: list[AsyncStackwright]) -> None:
    prompt = await clients[0].prompts.create(instructions="start")
    crowd = asyncio.Semaphore(40)
    conflicts = 0

    async def publish(client: AsyncStackwright, name: str) -> int:
        nonlocal conflicts
        base = 1
        async with crowd:
            while True:
                try:
                    return (await client.prompts.publish(prompt.id, instructions=name, base_version=base)).version
                except ConflictError as error:
                    base = latest_of(error)
                    conflicts += 1

    async def blind(client: AsyncStackwright, name: str) -> int:
        async with crowd:
            return (await client.prompts.publish(prompt.id, instructions=name)).version

    # Comparing publications cost a conflict for each that got in between, so most of the crowd does not compare.
    works = [
        (publish if number % 250 == 0 else blind)(client, f"{place}-{number}")
        for number in range(PUBLICATIONS)
        for place, client in enumerate(clients)
    ]
    numbers = await asyncio.gather(*works)
    assert sorted(numbers) == list(range(2, 2 * PUBLICATIONS + 2))
    assert conflicts > 0
    listed = [one.version async for one in clients[1].prompts.versions(prompt.id, limit=100, order="asc")]
    assert listed == list(range(1, 2 * PUBLICATIONS + 2))


async def test_every_read_sees_exactly_one_default(clients: list[AsyncStackwright]) -> None:
    one, two = clients
    prompt = await one.prompts.create(instructions="version 1")
    for number in range(2, 6):
        await one.prompts.publish(prompt.id, instructions=f"version {number}")
    done = asyncio.Event()
    reads = 0

    async def read() -> None:
        nonlocal reads
        while not done.is_set():
            seen = [version async for version in two.prompts.versions(prompt.id)]
            assert [version.is_default for version in seen].count(True) == 1
            found = await two.prompts.retrieve(prompt.id)
            assert found.is_default
            assert found.prompt == f"version {found.default_version}"
            reads += 1

    reader = asyncio.create_task(read())
    await asyncio.gather(*(clients[turn % 2].prompts.set_default(prompt.id, turn % 5 + 1) for turn in range(100)))
    done.set()
    await reader
    assert reads > 0


async def test_a_rollback_is_used_everywhere_within_a_second(clients: list[AsyncStackwright]) -> None:
    one, two = clients
    prompt = await one.prompts.create(name="guide", instructions="first")
    await one.prompts.publish(prompt.id, instructions="second")

    async def used(client: AsyncStackwright) -> str:
        return str((await client.prompts.render("guide")).request["instructions"])

    async def within_a_second(text: str) -> None:
        deadline = time.monotonic() + 1
        while await used(two) != text:
            assert time.monotonic() < deadline, f"still {await used(two)!r}"
            await asyncio.sleep(0.01)

    await within_a_second("second")
    await one.prompts.set_default("guide", 1)
    assert await used(one) == "first"
    await within_a_second("first")
    await one.prompts.delete("guide")
    with pytest.raises(NotFoundError):
        await within_a_second("nothing")


@pytest.mark.parametrize("servers", ["postgres"], indirect=True)
async def test_a_change_is_told_to_the_other_process(
    clients: list[AsyncStackwright], postgres_server: PostgresServer
) -> None:
    one, two = clients
    prompt = await one.prompts.create(instructions="version 1")
    await one.prompts.publish(prompt.id, instructions="version 2")

    async def lag(number: int) -> float:
        await one.prompts.set_default(prompt.id, number)
        begun = time.monotonic()
        while (await two.prompts.render(prompt.id)).version != str(number):
            assert time.monotonic() < begun + 10
        return time.monotonic() - begun

    told = [await lag(turn % 2 + 1) for turn in range(7)]
    # Looking alone would take half of its interval in the median, and some more.
    assert sorted(told)[3] < TOLD_POLL / 3
    assert postgres_server.sql(CUT) == "2"
    cut = [await lag(turn % 2 + 1) for turn in range(7, 12)]
    assert max(cut) < 2


async def test_a_label_made_elsewhere_is_known_at_once(replica: Replica) -> None:
    one, two = await replica(), await replica()
    made = await one.create(ADA, NewPrompt(instructions="first", name="guide"))
    assert (await two.resolve("ada", PromptRef(id="guide"))).version == "1"
    await one.versions.publish(ADA, made.id, NewVersion(instructions="second", labels=["prod"]))
    assert (await two.resolve("ada", PromptRef(id="guide", version="prod"))).version == "2"


async def test_warm_prompts_work_while_the_database_is_away(postgres_server: PostgresServer, postgres_db: str) -> None:
    database = PostgresDatabase(settings_for(postgres_server, postgres_db), name="sql")
    await database.open()
    prompts = Prompts(database, "prompts")
    await prompts.prepare()
    made = await prompts.create(ADA, NewPrompt(instructions="Hi {{ name }}"))
    await prompts.set_default(ADA, made.id, NewDefault(version=1))
    async with prompts.memory.kept_fresh():
        try:
            postgres_server.stop("immediate")
            assert (await prompts.resolve("ada", PromptRef(id=made.id, version="1"))).version == "1"
            assert (await prompts.resolve("ada", PromptRef(id=made.id))).compiled.text == "Hi {{ name }}"
        finally:
            postgres_server.start()
    await database.close()


async def test_what_a_warm_prompt_means_by_now_is_warm_before_it_is_asked_for(
    replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await replica(), await replica()
    made = await one.create(ADA, NewPrompt(instructions="1", default_policy="pinned"))
    for number in (2, 3, 4):
        await one.versions.publish(ADA, made.id, NewVersion(instructions=str(number)))
    await one.set_label(ADA, made.id, "prod", NewLabel(version=2))
    assert (await two.resolve("ada", PromptRef(id=made.id))).version == "1"
    assert (await two.resolve("ada", PromptRef(id=made.id, version="prod"))).version == "2"
    held: set[str] = set()
    hold = two.memory.hold

    def seen(tenant: str, row: VersionRow, compiled: Compiled | None = None) -> Resolved:
        held.add(f"{tenant} {row.version}")
        return hold(tenant, row, compiled)

    monkeypatch.setattr(two.memory, "hold", seen)
    await one.set_default(ADA, made.id, NewDefault(version=3))
    await one.set_label(ADA, made.id, "prod", NewLabel(version=4))

    async def warm() -> bool:
        return held >= {"ada 3", "ada 4"}

    await eventually(warm)


async def test_a_process_that_was_away_for_longer_than_events_are_kept_reads_all_anew(
    connect: Connect, replica: Replica, table_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await replica()
    made = await one.create(ADA, NewPrompt(instructions="old", name="guide"))
    lost = await one.create(ADA, NewPrompt(instructions="lost"))
    backend = await connect()
    away = Prompts(backend, table_name)
    async with away.memory.kept_fresh():
        for prompt in (made, lost):
            assert (await away.resolve("ada", PromptRef(id=prompt.id))).version == "1"
    await one.versions.publish(ADA, made.id, NewVersion(instructions="new"))
    for part, column in (("", "id"), ("_versions", "prompt_id")):
        await backend.commit(Do(f"DELETE FROM {table_name}{part} WHERE {column} = '{lost.id}'"))
    await backend.commit(Do(f"DELETE FROM {table_name}_events"))
    monkeypatch.setattr(memory, "REMEMBERED", 0.0)

    async def caught_up() -> bool:
        with suppress(UnknownPrompt):
            await away.resolve("ada", PromptRef(id=lost.id))
            return False
        return (await away.resolve("ada", PromptRef(id="guide"))).version == "2"

    async with away.memory.kept_fresh():
        await eventually(caught_up)


async def test_a_process_that_is_told_nothing_looks(
    postgres_server: PostgresServer, postgres_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TOLD_POLL", 3600.0)
    async with AsyncExitStack() as stack:

        async def opened() -> Prompts:
            database = PostgresDatabase(settings_for(postgres_server, postgres_db, max_overflow=0), name="sql")
            await database.open()
            stack.push_async_callback(database.close)
            prompts = Prompts(database, "prompts")
            await prompts.prepare()
            await stack.enter_async_context(prompts.memory.kept_fresh())
            return prompts

        one, two = await opened(), await opened()
        made = await one.create(ADA, NewPrompt(instructions="1"))
        reference = PromptRef(id=made.id)
        await two.resolve("ada", reference)

        async def followed() -> None:
            published = await one.versions.publish(ADA, made.id, NewVersion(instructions=uuid.uuid4().hex))

            async def known() -> bool:
                return (await two.resolve("ada", reference)).version == str(published.version)

            await eventually(known)

        await followed()
        postgres_server.sql(f"ALTER DATABASE {postgres_db} ALLOW_CONNECTIONS false")
        assert postgres_server.sql(f"{CUT} AND datname = '{postgres_db}'") == "2"
        await followed()
        await followed()
        postgres_server.sql(f"ALTER DATABASE {postgres_db} ALLOW_CONNECTIONS true")
        await followed()

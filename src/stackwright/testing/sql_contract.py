"""What every SQL backend must do, as tests. Subclass, and provide a fixture `backend`: an open, empty database."""

import asyncio
from typing import Any, Protocol

import msgspec
import pytest

from stackwright.errors import Conflict, InvalidRequest, NotFound, StackwrightError, Unavailable
from stackwright.storage.sql import Do, Migration, Row, Script
from stackwright.storage.sql.failures import MissingTable, SchemaTooNew, StatementFailed
from stackwright.storage.sql.migrate import status
from stackwright.storage.sql.rows import Slice, Table
from stackwright.storage.sql.script import together
from stackwright.storage.sql.writer import QueuedBackend, WriteQueue


class Note(msgspec.Struct, kw_only=True):
    """A row with every type a column can have."""

    id: str
    created: int = 0
    model: str = "m"
    score: float = 0.5
    read: bool = False
    body: bytes = b""
    order: str | None = None
    pinned: bool | None = None


class CountingBackend(QueuedBackend, Protocol):
    """What the suite needs to see of a backend besides its contract."""

    commits: int


COUNTER = Migration(1, ["CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL)"])


def notes_of(backend: QueuedBackend | WriteQueue) -> Table[Note]:
    """Return the table of notes."""
    return Table(backend, "notes", Note, kind="note", indexes=[["model"]])


def ids(page: Slice[Note]) -> tuple[list[str], bool]:
    """Return what a page shows: the ids, and whether there are more."""
    return [note.id for note in page.rows], page.has_more


class SqlContract:
    """Runs against one backend. Tests only call what `SqlBackend`, `WriteQueue` and `Table` promise."""

    @pytest.fixture
    async def notes(self, backend: CountingBackend) -> Table[Note]:
        """The table of notes, made."""
        table = notes_of(backend)
        await table.prepare()
        return table

    @pytest.fixture
    async def counter(self, backend: CountingBackend) -> str:
        """A counter named `c` that stands at 0; the value is the statement that reads it."""
        await backend.migrate("counters", [COUNTER])
        await backend.commit(Do("INSERT INTO counters (name, value) VALUES ('c', 0)"))
        return "SELECT value FROM counters WHERE name = 'c'"

    async def test_a_row_comes_back_as_it_was_written(self, notes: Table[Note]) -> None:
        plain = Note(id="plain")
        full = Note(
            id="full",
            created=2**62,
            model="ü☃",
            score=-1e-300,
            read=True,
            body=bytes(range(256)),
            order="o",
            pinned=False,
        )
        await notes.insert("t", plain)
        await notes.insert("t", full)
        assert await notes.get("t", "plain") == plain
        assert await notes.find("t", "full") == full

    async def test_a_strangers_row_is_no_row(self, notes: Table[Note]) -> None:
        await notes.insert("t", Note(id="n"))
        assert await notes.find("other", "n") is None
        assert ids(await notes.page("other", limit=10)) == ([], False)
        for attempt in (notes.get("other", "n"), notes.update("other", "n", model="x"), notes.delete("other", "n")):
            with pytest.raises(NotFound, match="No note with id 'n'"):
                await attempt
        assert (await notes.get("t", "n")).model == "m"

    async def test_two_tenants_may_use_the_same_id_and_one_may_not(self, notes: Table[Note]) -> None:
        await notes.insert("t", Note(id="n", model="first"))
        await notes.insert("other", Note(id="n"))
        with pytest.raises(Conflict, match="A note with id 'n' exists already") as refusal:
            await notes.insert("t", Note(id="n", model="second"))
        assert refusal.value.param == "id"
        assert (await notes.get("t", "n")).model == "first"

    async def test_an_update_changes_what_it_names_and_returns_the_row(self, notes: Table[Note]) -> None:
        await notes.insert("t", Note(id="n", body=b"kept"))
        changed = await notes.update("t", "n", model="other", read=True, order=None)
        assert changed == Note(id="n", model="other", read=True, body=b"kept")
        assert await notes.get("t", "n") == changed

    async def test_a_deleted_row_is_gone(self, notes: Table[Note]) -> None:
        await notes.insert("t", Note(id="n"))
        await notes.delete("t", "n")
        with pytest.raises(NotFound):
            await notes.delete("t", "n")

    async def test_pages_follow_arrival_whatever_the_rows_say_of_their_age(self, notes: Table[Note]) -> None:
        for number in range(7):
            await notes.insert("t", Note(id=f"n{number}", created=5))
        assert ids(await notes.page("t", limit=3)) == (["n6", "n5", "n4"], True)
        assert ids(await notes.page("t", limit=3, after="n4")) == (["n3", "n2", "n1"], True)
        assert ids(await notes.page("t", limit=3, after="n1")) == (["n0"], False)
        assert ids(await notes.page("t", limit=3, after="n0")) == ([], False)
        assert ids(await notes.page("t", limit=3, order="asc")) == (["n0", "n1", "n2"], True)
        assert ids(await notes.page("t", limit=4, order="asc", after="n2")) == (["n3", "n4", "n5", "n6"], False)

    async def test_before_gives_the_page_that_ends_there(self, notes: Table[Note]) -> None:
        for number in range(7):
            await notes.insert("t", Note(id=f"n{number}"))
        assert ids(await notes.page("t", limit=2, before="n2")) == (["n4", "n3"], True)
        assert ids(await notes.page("t", limit=9, before="n2")) == (["n6", "n5", "n4", "n3"], False)
        assert ids(await notes.page("t", limit=2, before="n5", order="asc")) == (["n3", "n4"], True)
        assert ids(await notes.page("t", limit=9, before="n1", after="n5")) == (["n4", "n3", "n2"], False)

    async def test_pages_can_be_narrowed_by_columns(self, notes: Table[Note]) -> None:
        for number in range(6):
            await notes.insert("t", Note(id=f"n{number}", model="ab"[number % 2], order=None if number < 3 else "x"))
        assert ids(await notes.page("t", limit=2, where={"model": "a"})) == (["n4", "n2"], True)
        assert ids(await notes.page("t", limit=2, after="n2", where={"model": "a"})) == (["n0"], False)
        assert ids(await notes.page("t", limit=9, where={"model": "b", "order": None})) == (["n1"], False)

    @pytest.mark.parametrize("param", ["after", "before"])
    async def test_a_cursor_nobody_gave_out_is_refused(self, notes: Table[Note], param: str) -> None:
        await notes.insert("other", Note(id="theirs"))
        for cursor in ("theirs", "nothing"):
            with pytest.raises(InvalidRequest) as refusal:
                await notes.page("t", limit=3, **{param: cursor})  # type: ignore[arg-type]
            assert refusal.value.param == param

    async def test_a_walk_sees_every_old_row_once_while_others_write(self, notes: Table[Note]) -> None:
        old = [f"old{number}" for number in range(50)]
        await asyncio.gather(*(notes.insert("t", Note(id=name)) for name in old))

        async def walk() -> list[str]:
            seen: list[str] = []
            while True:
                page = await notes.page("t", limit=7, after=seen[-1] if seen else None)
                seen += [note.id for note in page.rows]
                if not page.has_more:
                    return seen

        writing = asyncio.gather(*(notes.insert("t", Note(id=f"new{number}")) for number in range(50)))
        seen = await walk()
        await writing
        assert sorted(name for name in seen if name.startswith("old")) == sorted(old)

    async def test_a_script_commits_what_it_did_and_returns_its_result(
        self, backend: CountingBackend, notes: Table[Note]
    ) -> None:
        def script() -> Script[str]:
            yield notes.insert_do("t", Note(id="a"))
            rows = yield notes.select_do("t", "a", lock=True)
            yield notes.update_do("t", "a", model="seen")
            return notes.columns.decode(rows[0]).model

        assert await backend.transact(script) == "m"
        assert (await notes.get("t", "a")).model == "seen"

    async def test_a_script_that_raises_takes_back_its_own_work_alone(
        self, backend: CountingBackend, notes: Table[Note]
    ) -> None:
        def good(id: str) -> Script[None]:
            yield notes.insert_do("t", Note(id=id))

        def bad() -> Script[None]:
            yield notes.insert_do("t", Note(id="never"))
            raise NotFound("thing", "x")

        def clash() -> Script[None]:
            yield notes.insert_do("t", Note(id="never"))
            yield notes.insert_do("t", Note(id="a"))

        await backend.transact(lambda: good("a"))
        scripts = [lambda: good("b"), bad, clash, lambda: good("c")]
        outcomes = await asyncio.gather(*map(backend.transact, scripts), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [type(None), NotFound, Conflict, type(None)]
        assert ids(await notes.page("t", limit=9, order="asc"))[0][0] == "a"
        assert await notes.find("t", "never") is None

    async def test_a_script_may_translate_a_failure_but_not_survive_it(
        self, backend: CountingBackend, notes: Table[Note]
    ) -> None:
        await notes.insert("t", Note(id="a"))

        def script(survive: bool) -> Script[None]:
            yield notes.insert_do("t", Note(id="b"))
            try:
                yield notes.insert_do("t", Note(id="a"))
            except Conflict:
                if not survive:
                    raise InvalidRequest("taken") from None
            yield notes.insert_do("t", Note(id="c"))

        with pytest.raises(InvalidRequest, match="taken"):
            await backend.transact(lambda: script(survive=False))
        with pytest.raises(Conflict):
            await backend.transact(lambda: script(survive=True))
        assert ids(await notes.page("t", limit=9)) == (["a"], False)

    async def test_a_hundred_scripts_at_once_lose_no_update(self, backend: CountingBackend, counter: str) -> None:
        taking = backend.render("SELECT value FROM counters WHERE name = 'c' {lock}")
        setting = backend.render("UPDATE counters SET value = $1 WHERE name = 'c'")

        def increment() -> Script[int]:
            rows: list[Row] = yield Do(taking)
            yield Do(setting, (rows[0][0] + 1,))
            return int(rows[0][0])

        seen = await asyncio.gather(*(backend.transact(increment) for _ in range(100)))
        assert sorted(seen) == list(range(100))
        assert await backend.fetch(counter) == [(100,)]

    async def test_a_read_sees_every_acknowledged_write(self, backend: CountingBackend, counter: str) -> None:
        for number in range(1, 30):
            rows = await backend.commit(Do("UPDATE counters SET value = value + 1 RETURNING value"))
            assert rows == [(number,)]
            assert await backend.fetch(counter) == [(number,)]

    async def test_concurrent_writes_share_commits(self, backend: CountingBackend, notes: Table[Note]) -> None:
        queue = WriteQueue(backend, max_waiting=1000, batches=2)
        table, before = notes_of(queue), backend.commits
        await asyncio.gather(*(table.insert("t", Note(id=f"n{number}")) for number in range(200)))
        assert len((await notes.page("t", limit=1000)).rows) == 200
        assert backend.commits - before <= 20

    async def test_in_a_shared_commit_only_the_guilty_fail(self, backend: CountingBackend, notes: Table[Note]) -> None:
        table = notes_of(WriteQueue(backend, max_waiting=1000, batches=1))
        wanted = ["a", "b", "a", "c", "b", "d"]
        outcomes = await asyncio.gather(*(table.insert("t", Note(id=name)) for name in wanted), return_exceptions=True)
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 2
        assert sorted(ids(await notes.page("t", limit=9))[0]) == ["a", "b", "c", "d"]

    async def test_statements_that_go_together_stand_or_fall_together(
        self, backend: CountingBackend, notes: Table[Note], counter: str
    ) -> None:
        add = backend.render("UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value")
        queue = WriteQueue(backend, max_waiting=1000, batches=2)

        async def write(sql: WriteQueue | CountingBackend, *names: str) -> list[Row]:
            first, *others = names
            inserts = [notes.insert_do("t", Note(id=name, model=name)) for name in others]
            return await sql.commit(Do(add, (int(first), "c")), *inserts)

        assert await write(backend, "1", "a", "b") == [(1,)]
        assert await write(queue, "10", "c") == [(11,)]
        outcomes = await asyncio.gather(
            *(write(queue, "100", *names) for names in ("de", "fa", "gh", "ag")), return_exceptions=True
        )
        assert [isinstance(outcome, Conflict) for outcome in outcomes] == [False, True, False, True]
        assert await backend.fetch(counter) == [(211,)]
        assert sorted(ids(await notes.page("t", limit=9))[0]) == ["a", "b", "c", "d", "e", "g", "h"]
        assert (await notes.get("t", "e")).model == "e"

    async def test_a_waiter_that_leaves_does_not_disturb_the_others(
        self, backend: CountingBackend, notes: Table[Note]
    ) -> None:
        table = notes_of(WriteQueue(backend, max_waiting=1000, batches=2))
        tasks = [asyncio.create_task(table.insert("t", Note(id=f"n{number}"))) for number in range(40)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[1::2] == [None] * 20
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
        stored = set(ids(await notes.page("t", limit=100))[0])
        assert stored >= {f"n{number}" for number in range(1, 40, 2)}
        await table.insert("t", Note(id="later"))

    async def test_a_queue_gives_out_its_places_once_and_refuses_no_write(
        self, backend: CountingBackend, notes: Table[Note]
    ) -> None:
        queue = WriteQueue(backend, max_waiting=2, batches=1)
        table = notes_of(queue)
        with queue.place():
            with queue.place():
                with pytest.raises(Unavailable) as refusal, queue.place():
                    pass
                writes = [asyncio.create_task(table.insert("t", Note(id=f"n{number}"))) for number in range(5)]
                await asyncio.sleep(0)
                assert queue.depth == 5
                await asyncio.gather(*writes)
            with queue.place():
                assert queue.depth == 0
        assert (refusal.value.code, refusal.value.headers) == ("write_queue_full", {"retry-after": "1"})

    async def test_values_no_database_can_hold_are_the_callers_mistake(self, notes: Table[Note]) -> None:
        for impossible in (Note(id="n", model="\ud800"), Note(id="n", created=2**63)):
            with pytest.raises(InvalidRequest):
                await notes.insert("t", impossible)
        assert await notes.find("t", "n") is None

    async def test_our_own_mistakes_are_named_as_such(self, backend: CountingBackend) -> None:
        mistakes: list[tuple[str, type[StackwrightError]]] = [
            ("SELECT * FROM nowhere", MissingTable),
            ("SELEKT 1", StatementFailed),
        ]
        for sql, failure in mistakes:
            for attempt in (backend.fetch(sql), backend.commit(Do(sql))):
                with pytest.raises(failure):
                    await attempt

    async def test_a_schema_made_in_steps_equals_one_made_at_once(self, backend: CountingBackend) -> None:
        steps = [
            Migration(1, ["CREATE TABLE {table} (seq {serial}, tenant TEXT NOT NULL, a {bytes})"]),
            Migration(2, ["ALTER TABLE {table} ADD COLUMN b TEXT", "CREATE INDEX {table}_b ON {table} (tenant, b)"]),
        ]
        grown, fresh = (
            [Migration(step.version, [sql.replace("{table}", name) for sql in step.steps]) for step in steps]
            for name in ("grown", "fresh")
        )
        await backend.migrate("grown", grown[:1])
        await backend.commit(Do("INSERT INTO grown (tenant) VALUES ('t')"))
        assert await status(backend) == {"grown": 1}
        await backend.migrate("grown", grown)
        await backend.migrate("grown", grown)
        await backend.migrate("fresh", fresh)
        assert await status(backend) == {"grown": 2, "fresh": 2}
        assert await backend.fetch("SELECT * FROM grown") == [(1, "t", None, None)]
        assert await self.schema_of(backend, "grown") == await self.schema_of(backend, "fresh")

    async def schema_of(self, backend: CountingBackend, table: str) -> list[Any]:
        """Return what the database's catalogue says of a table, with the table's name as `T`."""
        raise NotImplementedError

    async def test_a_schema_newer_than_the_program_is_refused(self, backend: CountingBackend) -> None:
        steps = [Migration(version, [f"CREATE TABLE v{version} (a TEXT)"]) for version in (1, 2, 3)]
        assert await status(backend) == {}
        await backend.migrate("store", steps)
        with pytest.raises(SchemaTooNew, match="'store' is version 3, this Stackwright knows up to 2"):
            await backend.migrate("store", steps[:2])

    async def test_a_failed_migration_leaves_no_trace(self, backend: CountingBackend) -> None:
        steps = [Migration(1, ["CREATE TABLE half (a TEXT)", "CREATE TABLE half (a TEXT)"])]
        with pytest.raises(StackwrightError):
            await backend.migrate("store", steps)
        with pytest.raises(MissingTable):
            await backend.fetch("SELECT * FROM half")

    async def test_a_bell_is_waited_for_no_longer_than_asked(self, backend: CountingBackend) -> None:
        bell = backend.bell("notes")
        async with bell.listening():
            bell.ring()
            async with asyncio.timeout(20):
                await bell.heard(0.1)

    async def test_statements_that_go_together_are_all_run_in_a_script(self, backend: CountingBackend) -> None:
        await backend.migrate("counters", [COUNTER])
        sql = backend.render("INSERT INTO counters (name, value) VALUES ($1, $2)")

        def script() -> Script[None]:
            yield from together(backend, [Do(sql, (str(number), number)) for number in range(45)])

        await backend.transact(script)
        assert await backend.fetch("SELECT count(*), sum(value) FROM counters") == [(45, 990)]
        with pytest.raises(Conflict):
            await backend.transact(script)

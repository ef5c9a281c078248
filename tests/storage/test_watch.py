"""The eye that is kept on a database."""

from pathlib import Path

import pytest

from stackwright.storage.sql.sqlite import SqliteDatabase
from stackwright.storage.watch import Watch


class Odd(SqliteDatabase):
    """A database whose adapter has a bug, until it is told otherwise."""

    odd = True

    async def ping(self) -> None:
        if self.odd:
            raise KeyError("nobody")
        await super().ping()


async def test_a_bug_in_asking_is_trouble_told_once_and_not_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Odd(tmp_path / "data.db", name="lite", timeout=1.0, pool_timeout=1.0)
    watch = Watch(database, "lite")
    for _ in range(2):
        await watch.check()
        assert watch.trouble == "KeyError, which is a bug"
    assert [record.message for record in caplog.records if record.exc_info] == [
        f"Asking {database.address} how it is has a bug."
    ]
    database.odd = False
    await watch.check()
    assert watch.trouble is None
    await watch.stop()

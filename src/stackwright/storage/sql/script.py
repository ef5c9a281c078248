"""Running a script: the same loop for a driver that is called and for one that is awaited.

A statement's failure is raised inside the script, which may translate it but not survive it: on Postgres the
transaction is lost by then, so it is lost everywhere.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from stackwright.errors import StackwrightError
from stackwright.storage.sql import Do, Row, Script, SqlBackend
from stackwright.storage.sql.postgres_one import as_one

T = TypeVar("T")


_AT_ONCE = 20
"""Most statements that become one. Each number of them is one more for the database to prepare."""


def together(backend: SqlBackend, dos: Sequence[Do]) -> Script[None]:
    """Run statements that touch none of each other's rows, whose rows nobody wants: many in a round trip where the
    database can."""
    step = _AT_ONCE if backend.compound else 1
    for start in range(0, len(dos), step):
        yield as_one(dos[start], dos[start + 1 : start + step])


def play(script: Script[T], run: Callable[[Do], list[Row]]) -> T:
    """Run a script to its end and return its result."""
    try:
        do = next(script)
        while True:
            try:
                rows = run(do)
            except StackwrightError as error:
                _fail(script, error)
            do = script.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        script.close()


async def play_async(script: Script[T], run: Callable[[Do], Awaitable[list[Row]]]) -> T:
    """Run a script to its end and return its result, awaiting each statement."""
    try:
        do = next(script)
        while True:
            try:
                rows = await run(do)
            except StackwrightError as error:
                _fail(script, error)
            do = script.send(rows)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        script.close()


def _fail(script: Generator[Do, list[Row], Any], error: StackwrightError) -> NoReturn:
    with suppress(StopIteration):
        script.throw(error)
    raise error

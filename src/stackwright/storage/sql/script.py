"""Running a script: the same loop for a driver that is called and for one that is awaited.

A statement's failure is raised inside the script, which may translate it but not survive it: on Postgres the
transaction is lost by then, so it is lost everywhere.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

from stackwright.errors import StackwrightError
from stackwright.storage.sql import Do, Row, Script

T = TypeVar("T")


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

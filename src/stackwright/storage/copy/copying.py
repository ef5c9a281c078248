"""One copy, from looking at both ends to the comparison when all is over."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from stackwright.errors import InvalidRequest, StackwrightError
from stackwright.storage.copy import Different, Occupied, Part, Place, Sum, key_of
from stackwright.storage.sql import Row

Stage = Literal["comparing", "copying", "verifying"]


class Step(NamedTuple):
    """How far a copy is."""

    part: str
    stage: Stage
    rows: int
    """Rows of the part that were dealt with in this stage."""
    total: int | None
    """Rows that the part has in the source, if that is known."""


Tell = Callable[[Step], None]


class Copied(NamedTuple):
    """A part that is the same at both ends now."""

    name: str
    rows: int
    present: int
    """How many of them were there already."""
    digest: str


class Copying:
    """Copies parts from one place to another."""

    def __init__(self, source: Place, target: Place, tell: Tell) -> None:
        self._source = source
        self._target = target
        self._tell = tell
        self._totals: dict[str, int | None] = {}

    async def run(self, parts: Sequence[tuple[str, bool]], *, replace: bool = False) -> list[Copied]:
        """Copy parts by name, seeded or not. Everything is looked at before anything is written.

        Raises:
            Occupied: The target has other rows. Nothing was written.
            Different: The two are not the same when all is over.
        """
        known = [await self._source.part(name, seeded=seeded) for name, seeded in parts]
        for part in known:
            await self._check_shape(part)
            self._totals[part.name] = await self._source.count(part)
        if replace:
            for part in known:
                await self._target.clear(part)
        begun = [await self._begun(part) for part in known]
        return [await self._copy(part, *done) for part, done in zip(known, begun, strict=True)]

    async def _check_shape(self, part: Part) -> None:
        other = await self._target.part(part.name, seeded=part.seeded)
        if set(other.columns) != set(part.columns):
            names = ", ".join(sorted(set(other.columns) ^ set(part.columns)))
            raise StackwrightError(f"{part.name} has different columns at both ends: {names}. Nothing was written.")

    async def _begun(self, part: Part) -> tuple[int, Sequence[Any] | None]:
        """Return how many rows are there already, and the key of the last."""
        there = Sum() if part.seeded else await self._sum(self._target, part, "comparing")
        mine, after = Sum(), None
        while mine.rows < there.rows:
            rows = (await self._source.read(part, after))[: there.rows - mine.rows]
            if not rows:
                break
            mine, after = mine.plus(rows), key_of(part, rows[-1])
        if mine != there:
            raise Occupied(part.name, self._source.name, self._target.name, there.rows)
        return there.rows, after

    async def _copy(self, part: Part, present: int, after: Sequence[Any] | None) -> Copied:
        done = present
        while rows := await self._source.read(part, after):
            await self._write(part, rows)
            done, after = done + len(rows), key_of(part, rows[-1])
            self._told(part, "copying", done)
        await self._target.take_rest(part, await self._source.rest(part))
        expected = await self._sum(self._source, part, "verifying")
        found = await self._sum(self._target, part, "verifying")
        if expected != found:
            raise Different(part.name, self._source.name, self._target.name, expected, found)
        return Copied(part.name, found.rows, present, f"{found.digest:032x}")

    async def _write(self, part: Part, rows: Sequence[Row]) -> None:
        try:
            await self._target.write(part, rows)
        except InvalidRequest as error:
            # SQLite keeps NUL in a text, for one, and Postgres does not.
            first, last = key_of(part, rows[0]), key_of(part, rows[-1])
            raise StackwrightError(
                f"{part.name}: {self._target.name!r} cannot keep a row between {first} and {last}. {error.message}"
            ) from error

    async def _sum(self, place: Place, part: Part, stage: Stage) -> Sum:
        total, after = Sum(), None
        while rows := await place.read(part, after):
            total, after = total.plus(rows), key_of(part, rows[-1])
            self._told(part, stage, total.rows)
        return total

    def _told(self, part: Part, stage: Stage, rows: int) -> None:
        self._tell(Step(part.name, stage, rows, self._totals[part.name]))

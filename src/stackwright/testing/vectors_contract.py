"""The contract of `ports.vectors.VectorIndexes`, as tests to run against an adapter.

Subclass `VectorsContract`, and give it a fixture `reopen`: an async context manager factory that opens the provider on
the same data each time it is called.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import pytest

from stackwright.errors import Conflict, InvalidRequest, NotFound
from stackwright.ports.vectors import Chunk, Comparison, Compound, Filter, Scalar, VectorIndexes

Reopen = Callable[[], AbstractAsyncContextManager[VectorIndexes]]

UNICODE = "chunk/ä 漢字 🦊 \"quoted\" 'so' %_$.\\"


def chunk(id: str, embedding: list[float], text: str = "", **attributes: Scalar) -> Chunk:
    """Return a chunk; its text is its id unless given."""
    return Chunk(id=id, text=text or id, embedding=embedding, attributes=attributes)


def by(type: str, key: str, value: Any) -> Comparison:
    """Return one comparison."""
    return Comparison(type=type, key=key, value=value)


SHELF = [
    chunk("plain", [1, 0]),
    chunk("one", [1, 0], number=1, name="a", flag=True),
    chunk("two", [1, 0], number=2.5, name="b", flag=False),
    chunk("ten", [1, 0], number=10, name="", flag=True),
    chunk("text", [1, 0], number="1", name="ä漢"),
    chunk("true", [1, 0], number=True, name="a"),
]

FILTERS: list[tuple[Filter, set[str]]] = [
    (by("eq", "number", 1), {"one"}),
    (by("eq", "number", 1.0), {"one"}),
    (by("eq", "number", "1"), {"text"}),
    (by("eq", "number", True), {"true"}),
    (by("eq", "name", "ä漢"), {"text"}),
    (by("eq", "name", ""), {"ten"}),
    (by("eq", "flag", False), {"two"}),
    (by("eq", "nowhere", 1), set()),
    (by("ne", "number", 1), {"two", "ten", "text", "true"}),
    (by("ne", "name", "a"), {"two", "ten", "text"}),
    (by("ne", "flag", True), {"two"}),
    (by("ne", "nowhere", 1), set()),
    (by("gt", "number", 1), {"two", "ten"}),
    (by("gte", "number", 1), {"one", "two", "ten"}),
    (by("lt", "number", 2.5), {"one"}),
    (by("lte", "number", 2.5), {"one", "two"}),
    (by("gt", "nowhere", 0), set()),
    (by("in", "number", [1, "1", 10]), {"one", "text", "ten"}),
    (by("in", "name", ["a", "zzz"]), {"one", "true"}),
    (by("in", "name", []), set()),
    (by("nin", "number", [1, 10]), {"two", "text", "true"}),
    (by("nin", "name", ["a"]), {"two", "ten", "text"}),
    (by("nin", "flag", []), {"one", "two", "ten"}),
    (by("nin", "nowhere", [1]), set()),
    (Compound(type="and", filters=[by("gt", "number", 1), by("eq", "flag", True)]), {"ten"}),
    (Compound(type="or", filters=[by("eq", "name", "b"), by("eq", "number", "1")]), {"two", "text"}),
    (Compound(type="and", filters=[by("eq", "name", "a")]), {"one", "true"}),
    (
        Compound(
            type="or",
            filters=[
                Compound(type="and", filters=[by("eq", "name", "a"), by("ne", "number", True)]),
                Compound(type="or", filters=[by("in", "name", []), by("lt", "number", 3)]),
            ],
        ),
        {"one", "two"},
    ),
]

REFUSED: list[Filter] = [
    by("like", "name", "a%"),
    by("gt", "name", "a"),
    by("gt", "flag", True),
    by("eq", "name", ["a"]),
    by("in", "name", "a"),
    by("eq", "number", math.nan),
    Compound(type="xor", filters=[by("eq", "a", 1)]),
    Compound(type="and", filters=[]),
]


def nested(depth: int) -> Filter:
    """Return a filter inside `depth` others."""
    return by("eq", "a", 1) if depth == 0 else Compound(type="and", filters=[nested(depth - 1)])


class VectorsContract:
    """What every adapter does alike."""

    @pytest.fixture
    async def vectors(self, reopen: Reopen) -> AsyncIterator[VectorIndexes]:
        """Open the adapter once."""
        async with reopen() as opened:
            yield opened

    @pytest.fixture
    def tenant(self) -> str:
        """Return a tenant nobody else has, so that tests may share a server."""
        return f"tenant-{uuid4()}"

    @pytest.fixture
    async def shelf(self, vectors: VectorIndexes, tenant: str) -> VectorIndexes:
        """Make an index `shelf` with chunks of all sorts of attributes."""
        await vectors.create(tenant, "shelf", dimensions=2)
        await vectors.upsert(tenant, "shelf", SHELF)
        return vectors

    async def test_a_chunk_comes_back_whole(self, vectors: VectorIndexes, tenant: str) -> None:
        attributes: Mapping[str, Scalar] = {
            "a": 1,
            "b": 1.5,
            "c": True,
            'd"\\$.é': "ä\n漢🦊",
            "e": -(2**62),
            "attributes": "x",
        }
        given = Chunk(id=UNICODE, text="Grüße,\n\0 wörld 🦊", embedding=[3, 4, 0], attributes=attributes)
        await vectors.create(tenant, "i", dimensions=3)
        await vectors.upsert(tenant, "i", [given])
        (match,) = await vectors.nearest(tenant, "i", [6, 8, 0], limit=5)
        assert (match.id, match.text, match.attributes) == (given.id, given.text, attributes)
        assert [type(value) for value in match.attributes.values()] == [type(value) for value in attributes.values()]
        assert match.score == pytest.approx(1)
        for key, value in attributes.items():
            assert await vectors.nearest(tenant, "i", [1, 0, 0], limit=5, where=by("eq", key, value)) != []

    async def test_the_score_is_half_of_one_plus_the_cosine_and_the_best_comes_first(
        self, vectors: VectorIndexes, tenant: str
    ) -> None:
        await vectors.create(tenant, "i", dimensions=2)
        angles = {"0": 0, "60": 60, "90": 90, "120": 120, "180": 180}
        turned = [
            chunk(name, [7 * math.cos(math.radians(a)), 7 * math.sin(math.radians(a))]) for name, a in angles.items()
        ]
        await vectors.upsert(tenant, "i", turned[::-1])
        found = await vectors.nearest(tenant, "i", [1e-3, 0], limit=50)
        assert [match.id for match in found] == list(angles)
        assert [match.score for match in found] == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=1e-6)
        assert all(0 <= match.score <= 1 for match in found)

    async def test_limit_and_floor_cut_the_list(self, vectors: VectorIndexes, tenant: str) -> None:
        await vectors.create(tenant, "i", dimensions=2)
        await vectors.upsert(tenant, "i", [chunk(str(n), [math.cos(n / 20), math.sin(n / 20)]) for n in range(60)])
        assert [match.id for match in await vectors.nearest(tenant, "i", [1, 0], limit=3)] == ["0", "1", "2"]
        assert len(await vectors.nearest(tenant, "i", [1, 0], limit=50)) == 50
        near = await vectors.nearest(tenant, "i", [1, 0], limit=50, floor=0.99)
        assert [match.id for match in near] == [str(n) for n in range(5)]
        for limit in (0, 51, -1):
            with pytest.raises(InvalidRequest):
                await vectors.nearest(tenant, "i", [1, 0], limit=limit)

    async def test_zeros_are_at_right_angles_to_everything(self, vectors: VectorIndexes, tenant: str) -> None:
        await vectors.create(tenant, "i", dimensions=2)
        await vectors.upsert(
            tenant, "i", [chunk("zero", [0, 0]), chunk("huge", [1e200, 0]), chunk("tiny", [1e-200, 0])]
        )
        found = {match.id: match.score for match in await vectors.nearest(tenant, "i", [1, 0], limit=5)}
        assert found == pytest.approx({"zero": 0.5, "huge": 1, "tiny": 1})
        assert {match.score for match in await vectors.nearest(tenant, "i", [0, 0], limit=5)} == {0.5}

    async def test_an_index_is_made_once(self, vectors: VectorIndexes, tenant: str) -> None:
        await vectors.create(tenant, "i", dimensions=2)
        with pytest.raises(Conflict):
            await vectors.create(tenant, "i", dimensions=2)
        made = await asyncio.gather(
            *(vectors.create(tenant, "j", dimensions=2) for _ in range(8)), return_exceptions=True
        )
        assert sorted(type(one).__name__ for one in made) == ["Conflict"] * 7 + ["NoneType"]

    async def test_an_index_needs_dimensions(self, vectors: VectorIndexes, tenant: str) -> None:
        with pytest.raises(InvalidRequest):
            await vectors.create(tenant, "i", dimensions=0)

    async def test_the_indexes_are_listed_in_order(self, vectors: VectorIndexes, tenant: str) -> None:
        assert list(await vectors.indexes(tenant)) == []
        for name in ("b", "a", UNICODE):
            await vectors.create(tenant, name, dimensions=2)
        assert list(await vectors.indexes(tenant)) == sorted(["a", "b", UNICODE])

    async def test_a_dropped_index_is_gone_and_one_made_anew_is_empty(self, shelf: VectorIndexes, tenant: str) -> None:
        await shelf.drop(tenant, "shelf")
        assert list(await shelf.indexes(tenant)) == []
        with pytest.raises(NotFound):
            await shelf.nearest(tenant, "shelf", [1, 0], limit=1)
        await shelf.create(tenant, "shelf", dimensions=3)
        assert await shelf.nearest(tenant, "shelf", [1, 0, 0], limit=1) == []

    async def test_what_is_not_there_is_not_found(self, vectors: VectorIndexes, tenant: str) -> None:
        with pytest.raises(NotFound):
            await vectors.drop(tenant, "none")
        with pytest.raises(NotFound):
            await vectors.upsert(tenant, "none", [chunk("a", [1])])
        with pytest.raises(NotFound):
            await vectors.delete(tenant, "none", ["a"])
        with pytest.raises(NotFound):
            await vectors.nearest(tenant, "none", [1], limit=1)

    async def test_tenants_do_not_see_each_other(self, shelf: VectorIndexes, tenant: str) -> None:
        stranger = f"{tenant}/"
        assert list(await shelf.indexes(stranger)) == []
        for attempt in (
            shelf.nearest(stranger, "shelf", [1, 0], limit=1),
            shelf.upsert(stranger, "shelf", [chunk("plain", [0, 1])]),
            shelf.delete(stranger, "shelf", ["plain"]),
            shelf.drop(stranger, "shelf"),
        ):
            with pytest.raises(NotFound):
                await attempt
        await shelf.create(stranger, "shelf", dimensions=2)
        assert await shelf.nearest(stranger, "shelf", [1, 0], limit=1) == []
        await shelf.drop(stranger, "shelf")
        assert len(await shelf.nearest(tenant, "shelf", [1, 0], limit=50)) == len(SHELF)

    async def test_an_upsert_replaces_all_of_a_chunk(self, shelf: VectorIndexes, tenant: str) -> None:
        await shelf.upsert(tenant, "shelf", [chunk("one", [0, 1], "new text", other=5)])
        (match,) = await shelf.nearest(tenant, "shelf", [0, 1], limit=1)
        assert (match.id, match.text, match.attributes) == ("one", "new text", {"other": 5})
        assert await shelf.nearest(tenant, "shelf", [0, 1], limit=5, where=by("eq", "number", 1)) == []
        assert len(await shelf.nearest(tenant, "shelf", [0, 1], limit=5, where=by("ne", "other", 1))) == 1
        assert len(await shelf.nearest(tenant, "shelf", [0, 1], limit=50)) == len(SHELF)

    async def test_of_two_chunks_with_one_id_the_last_counts(self, vectors: VectorIndexes, tenant: str) -> None:
        await vectors.create(tenant, "i", dimensions=2)
        await vectors.upsert(tenant, "i", [chunk("a", [1, 0], "first"), chunk("a", [1, 0], "last")])
        assert [match.text for match in await vectors.nearest(tenant, "i", [1, 0], limit=5)] == ["last"]

    async def test_deleting_removes_what_is_there_and_nothing_else(self, shelf: VectorIndexes, tenant: str) -> None:
        await shelf.delete(tenant, "shelf", ["one", "never there", "two"])
        await shelf.delete(tenant, "shelf", [])
        left = {match.id for match in await shelf.nearest(tenant, "shelf", [1, 0], limit=50)}
        assert left == {given.id for given in SHELF} - {"one", "two"}

    @pytest.mark.parametrize(
        "embedding", [[1.0], [1.0, 0.0, 0.0], [], [math.nan, 1.0], [1.0, math.inf], [-math.inf, 0.0]]
    )
    async def test_a_wrong_embedding_is_refused_and_nothing_written(
        self, shelf: VectorIndexes, tenant: str, embedding: list[float]
    ) -> None:
        with pytest.raises(InvalidRequest):
            await shelf.upsert(tenant, "shelf", [chunk("good", [1, 0]), chunk("bad", embedding)])
        with pytest.raises(InvalidRequest):
            await shelf.nearest(tenant, "shelf", embedding, limit=1)
        assert len(await shelf.nearest(tenant, "shelf", [1, 0], limit=50)) == len(SHELF)

    async def test_a_wrong_chunk_is_refused(self, shelf: VectorIndexes, tenant: str) -> None:
        for wrong in (chunk("", [1, 0], "text"), chunk("a", [1, 0], x=math.nan), chunk("a", [1, 0], x=2**63)):
            with pytest.raises(InvalidRequest):
                await shelf.upsert(tenant, "shelf", [wrong])

    @pytest.mark.parametrize(("where", "ids"), FILTERS, ids=lambda value: "" if isinstance(value, set) else None)
    async def test_a_filter_lets_through_what_matches(
        self, shelf: VectorIndexes, tenant: str, where: Filter, ids: set[str]
    ) -> None:
        found = await shelf.nearest(tenant, "shelf", [1, 0], limit=50, where=where)
        assert {match.id for match in found} == ids

    @pytest.mark.parametrize("where", [*REFUSED, nested(16)], ids=str)
    async def test_a_filter_that_means_nothing_is_refused(
        self, shelf: VectorIndexes, tenant: str, where: Filter
    ) -> None:
        with pytest.raises(InvalidRequest):
            await shelf.nearest(tenant, "shelf", [1, 0], limit=1, where=where)

    async def test_the_limit_counts_what_passed_the_filter(self, vectors: VectorIndexes, tenant: str) -> None:
        await vectors.create(tenant, "i", dimensions=2)
        many = [chunk(str(n), [math.cos(n / 100), math.sin(n / 100)], n=n) for n in range(200)]
        await vectors.upsert(tenant, "i", many)
        found = await vectors.nearest(tenant, "i", [1, 0], limit=4, where=by("gte", "n", 150))
        assert [match.id for match in found] == ["150", "151", "152", "153"]

    async def test_a_thousand_chunks_go_in_at_once_and_the_nearest_is_found(
        self, vectors: VectorIndexes, tenant: str
    ) -> None:
        dice = random.Random(7)  # noqa: S311 - not a secret
        many = [chunk(str(n), [dice.gauss(0, 1) for _ in range(64)], "text " * 50, n=n) for n in range(1000)]
        await vectors.create(tenant, "i", dimensions=64)
        await vectors.upsert(tenant, "i", many)
        for given in many[::100]:
            found = await vectors.nearest(tenant, "i", given.embedding, limit=3)
            assert (found[0].id, len(found)) == (given.id, 3)

    async def test_many_may_write_and_read_at_once(self, vectors: VectorIndexes, tenant: str) -> None:
        await vectors.create(tenant, "i", dimensions=2)

        async def work(n: int) -> None:
            await vectors.upsert(tenant, "i", [chunk(f"{n}-{k}", [1, k], n=n) for k in range(5)])
            assert len(await vectors.nearest(tenant, "i", [1, 0], limit=50, where=by("eq", "n", n))) == 5

        await asyncio.gather(*(work(n) for n in range(16)))
        for n in range(16):
            assert len(await vectors.nearest(tenant, "i", [1, 0], limit=50, where=by("eq", "n", n))) == 5

    async def test_everything_survives_a_restart(self, reopen: Reopen, tenant: str) -> None:
        async with reopen() as before:
            await before.create(tenant, "shelf", dimensions=2)
            await before.upsert(tenant, "shelf", SHELF)
        async with reopen() as after:
            assert list(await after.indexes(tenant)) == ["shelf"]
            found = await after.nearest(tenant, "shelf", [1, 0], limit=50, where=by("gt", "number", 0))
            assert {match.id for match in found} == {"one", "two", "ten"}
            with pytest.raises(Conflict):
                await after.create(tenant, "shelf", dimensions=2)

"""Lists: whatever the window, a filter finds what it should, in order; and a search lets others through."""

import asyncio
from typing import Literal

import pytest

from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.listing import Listing
from stackwright.areas.prompts.service import Prompts
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import ListQuery, NewPrompt
from stackwright.errors import InvalidRequest

ADA = Who("ada", "ada", "req_1")
BOB = Who("bob", "bob", "req_2")


async def filled(prompts: Prompts, count: int) -> list[str]:
    """Make prompts, every third of which has a tag, among another tenant's."""
    made = []
    for number in range(count):
        await prompts.create(BOB, NewPrompt(instructions="Zebra", tags=["third"]))
        body = NewPrompt(instructions=f"Zebra {number}", tags=["third"] if number % 3 == 0 else [])
        made.append((await prompts.create(ADA, body)).id)
    return made


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("window", [1, 2, 3, 100])
async def test_pages_join_to_the_whole_list_whatever_the_window(
    prompts: Prompts, tables: Tables, window: int, order: Literal["asc", "desc"]
) -> None:
    made = await filled(prompts, 10)
    listing = Listing(tables, window)
    wanted = made[::3] if order == "asc" else made[::3][::-1]

    async def page(after: str | None = None, before: str | None = None) -> tuple[list[str], bool]:
        query = ListQuery(tag="third", limit=2, order=order, after=after, before=before)
        found = await listing.page("ada", query)
        return [row.id for row in found.rows], found.has_more

    assert await page() == (wanted[:2], True)
    assert await page(after=wanted[1]) == (wanted[2:], False)
    assert await page(before=wanted[3]) == (wanted[1:3], True)
    assert await page(before=wanted[1]) == (wanted[:1], False)
    assert await page(after=wanted[0], before=wanted[3]) == (wanted[1:3], False)


async def test_a_search_lets_others_through(prompts: Prompts, tables: Tables) -> None:
    await filled(prompts, 20)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(others())
    found = await Listing(tables, 2).page("ada", ListQuery(q="nothing like it"))
    watching.cancel()
    assert (found.rows, found.has_more) == ([], False)
    assert turns >= 9


async def test_a_cursor_must_be_a_prompt_of_the_tenant(prompts: Prompts) -> None:
    theirs = await prompts.create(BOB, NewPrompt(instructions="x"))
    for param, query in (("after", ListQuery(after=theirs.id)), ("before", ListQuery(before=theirs.id))):
        with pytest.raises(InvalidRequest) as refused:
            await prompts.page("ada", query)
        assert refused.value.message == f"No prompt with id '{theirs.id}' to page from."
        assert refused.value.param == param

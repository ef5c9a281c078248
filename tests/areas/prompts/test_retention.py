"""Deleted prompts go for good, and nobody who remembers them gives their content for another's."""

import asyncio
from functools import partial

import msgspec

from stackwright.areas.prompts.failures import UnknownPrompt
from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.portable import Import
from stackwright.areas.prompts.service import Prompts
from stackwright.areas.prompts.tables import Tables
from stackwright.storage.sql.aging import Cursor
from stackwright.wire.responses import PromptRef
from tests.areas.prompts.conftest import Replica

ADA = Who("ada", "ada", "req_1")
PID = "pmpt_68b0c29740048196bd3a6e6ac3c4d0e20ed9a13f0d15bf5e"
LATER = 2**40


def exported(text: str) -> Import:
    one = {"id": PID, "versions": [{"version": 1, "spec": {"instructions": text}}]}
    return msgspec.convert({"data": [one]}, Import)


async def text_in(prompts: Prompts) -> str | None:
    try:
        return (await prompts.resolve("ada", PromptRef(id=PID, version="1"))).compiled.text
    except UnknownPrompt:
        return None


async def until(prompts: Prompts, text: str | None) -> None:
    async with asyncio.timeout(10):
        while await text_in(prompts) != text:  # noqa: ASYNC110 - looks from outside, as a caller does
            await asyncio.sleep(0.02)


async def test_an_id_may_be_used_again_when_its_prompt_is_gone_for_good(replica: Replica, tables: Tables) -> None:
    replicas = [await replica(), await replica()]
    await replicas[0].transfer.take(ADA, exported("before"))
    for each in replicas:
        await until(each, "before")
    await replicas[0].delete(ADA, PID)
    for each in replicas:
        await until(each, None)
    for old in tables.old:
        await tables.backend.transact(partial(old.sweeping, LATER, Cursor(LATER, 0)))
    await replicas[1].transfer.take(ADA, exported("after"))
    for each in replicas:
        await until(each, "after")

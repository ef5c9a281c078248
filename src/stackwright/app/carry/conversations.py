"""Conversations and their items: rows of Llama Stack's as rows of ours."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct

from stackwright.app.carry.items import items_of
from stackwright.app.carry.layouts import Found
from stackwright.app.carry.report import Why
from stackwright.app.carry.values import Unfit, a_list, loads, named, seconds, text
from stackwright.areas.conversations import ItemRow
from stackwright.storage.foreign import BATCH, ForeignRows
from stackwright.storage.sql import Row
from stackwright.wire.items import encode

_encode = msgspec.json.Encoder(order="sorted").encode


class Talk(Struct):
    """A conversation with its items, oldest first."""

    id: str
    created: int
    metadata: str
    items: list[ItemRow]


async def read(source: ForeignRows, table: Found, items: Found | None) -> AsyncGenerator[list[Talk | Why], None]:
    """Return the conversations of a table in order of arrival. `items` is the table of their items, if there is one."""
    held: list[Row] = []
    async for rows in source.batches(_sql(source, table, items)):
        held += rows
        ready: list[Talk | Why] = []
        # The last one may go on in the next batch.
        while len(held) > BATCH and held[0][0] != held[-1][0]:
            last = held[-1][0]
            whole = [row for row in held if row[0] != last]
            held = held[len(whole) :]
            ready += _talks(whole)
        if ready:
            yield ready
    if held:
        yield list(_talks(held))


def _sql(source: ForeignRows, table: Found, items: Found | None) -> str:
    talks = f"FROM {table.quoted} c"
    order = f"ORDER BY c.created_at, c.{source.arrival}"
    if items is None:
        return f"SELECT c.{source.arrival}, c.id, c.created_at, c.metadata, c.items, NULL, NULL {talks} {order}"
    # An earlier release had no order of its own, and added seconds to the time to have one.
    place = "i.sort_order, i.created_at" if "sort_order" in items.columns else "i.created_at"
    return (
        f"SELECT c.{source.arrival}, c.id, c.created_at, c.metadata, c.items, i.id, i.item_data {talks} "
        f"LEFT JOIN {items.quoted} i ON i.conversation_id = c.id {order}, {place}, i.{source.arrival}"
    )


def _talks(rows: Sequence[Row]) -> Iterator[Talk | Why]:
    for _, group in groupby(rows, key=lambda row: row[0]):
        talk = [row[1:] for row in group]
        try:
            yield _talk(talk)
        except Unfit as error:
            yield Why(named(talk[0][0]), str(error))


def _talk(rows: Sequence[Row]) -> Talk:
    name, created, metadata, inline, *_ = rows[0]
    talk = text(name, "id")
    pairs = {} if metadata in (None, "null") else loads(metadata, "metadata")
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        raise Unfit("its metadata are no texts by name")
    given = [_item(item_id, data) for *_, item_id, data in rows if item_id is not None]
    if not given and inline not in (None, "null"):
        given = a_list(loads(inline, "items"), "items")
    made = items_of(given, talk)
    if len({item.id for item in made}) < len(made):
        raise Unfit("two of its items have the same id")
    return Talk(
        talk,
        seconds(created, "created_at"),
        _encode(pairs).decode(),
        [ItemRow(item.id, encode(item)) for item in made],
    )


def _item(id: object, data: object) -> dict[str, Any]:
    if not isinstance(id, str):
        raise Unfit(f"the id of its item {named(id)} is no text in UTF-8")
    item = loads(data, f"item {id}")
    if not isinstance(item, dict):
        raise Unfit(f"its item {id} is no object")
    return item | {"id": id}

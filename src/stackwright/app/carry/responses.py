"""Responses: a row of Llama Stack's as a row of ours.

Llama Stack keeps with each response everything that led to it; we keep what is new, and the way back. So what a
response shares with the one before it is left out. Where that one is gone, or is not what this one began with,
everything stays, and the way back ends here: whoever continues it continues exactly what there was.
"""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from stackwright.app.carry.items import items_of
from stackwright.app.carry.layouts import Found
from stackwright.app.carry.report import Why
from stackwright.app.carry.values import Unfit, a_list, loads, named, text, without_nulls
from stackwright.areas.responses import ItemRow, StoredResponse
from stackwright.storage.foreign import ForeignRows
from stackwright.storage.sql import Row
from stackwright.storage.sql.columns import places
from stackwright.wire.items import encode
from stackwright.wire.responses import Response

_encode = msgspec.json.Encoder().encode
_response = msgspec.json.Decoder(Response).decode
_KNOWN = frozenset(Response.__struct_fields__) - {"output"}
_UNREAD = re.compile(r"^Object contains unknown field `(?P<name>.*)` - at `\$(?P<place>.*)`$", re.DOTALL)
_STEP = re.compile(r"[^.\[\]]+")
_UNFINISHED = ("queued", "in_progress")
_TOGETHER = 20
"""Responses that are held at once: each holds its whole history."""


class Answer(Struct):
    """A response with its own items, input first."""

    row: StoredResponse
    items: list[ItemRow]

    @property
    def id(self) -> str:
        """See `Document`."""
        return self.row.id


Stored = Mapping[str, Any]
"""What Llama Stack keeps of a response: the object, its whole input, perhaps its messages."""


async def read(source: ForeignRows, table: Found) -> AsyncGenerator[list[Answer | Why], None]:
    """Return the responses of a table in order of arrival."""
    sql = (
        f"SELECT id, response_object FROM {table.quoted} "  # noqa: S608 - it is quoted
        f"ORDER BY created_at, {source.arrival}"
    )
    async for rows in source.batches(sql):
        for start in range(0, len(rows), _TOGETHER):
            yield await _answers(source, table, rows[start : start + _TOGETHER])


async def _answers(source: ForeignRows, table: Found, rows: Sequence[Row]) -> list[Answer | Why]:
    stored = _all_stored(rows)
    found = dict(reversed(stored))
    wanted = {previous for _, one in stored if not isinstance(one, Unfit) and (previous := _previous(one))}
    before = {**await _fetched(source, table, wanted - found.keys()), **found}
    return [_answer(name, one, before) for name, one in stored]


def _previous(stored: Stored) -> str | None:
    previous = stored.get("previous_response_id")
    return str(previous) if previous else None


async def _fetched(source: ForeignRows, table: Found, ids: set[str]) -> dict[str, Stored | Unfit]:
    if not ids:
        return {}
    sql = f"SELECT id, response_object FROM {table.quoted} WHERE id IN ({places(len(ids))})"  # noqa: S608 - it is quoted
    return dict(_all_stored(await source.fetch(sql, *ids)))


def _all_stored(rows: Sequence[Row]) -> list[tuple[str, Stored | Unfit]]:
    return [(named(name), _stored(name, data)) for name, data in rows]


def _stored(name: object, data: object) -> Stored | Unfit:
    try:
        text(name, "id")
        return _object(data)
    except Unfit as error:
        return error


def _object(data: object) -> Stored:
    stored = loads(data, "response_object")
    if not isinstance(stored, dict):
        raise Unfit("its response_object is no object")
    a_list(stored.get("input") or [], "input")
    a_list(stored.get("output") or [], "output")
    return stored


def _answer(id: str, stored: Stored | Unfit, before: Mapping[str, Stored | Unfit]) -> Answer | Why:
    try:
        if isinstance(stored, Unfit):
            raise stored
        response, output = _made(stored)
        previous, new = _new(id, stored, before)
        inputs = items_of(new, id)
    except Unfit as error:
        return Why(id, str(error))
    row = StoredResponse(
        id=id,
        created=response.created_at,
        status=response.status,
        model=response.model,
        previous_id=previous,
        conversation=response.conversation.id if response.conversation else None,
        prompt_hash=None,
        body=_encode(response),
    )
    items = [ItemRow(item.id, encode(item), False) for item in inputs]
    return Answer(row, items + output)


def _new(id: str, stored: Stored, before: Mapping[str, Stored | Unfit]) -> tuple[str | None, list[dict[str, Any]]]:
    """Return the response whose row this one's continues, and the input that is its own."""
    whole = list(stored.get("input") or [])
    previous = _previous(stored)
    if previous is None:
        return None, whole
    earlier = before.get(previous)
    carried = earlier is not None and not isinstance(earlier, Unfit) and _fits(earlier, previous)
    if stored.get("input_storage_mode") == "incremental":
        if not carried:
            raise Unfit(f"the response before it, {previous}, cannot be carried over, and what led to it is only there")
        return previous, whole
    if not carried or earlier is None or isinstance(earlier, Unfit):
        return None, whole
    known = [*(earlier.get("input") or []), *(earlier.get("output") or [])]
    shared = len(whole) >= len(known) and all(map(_same, whole, known))
    return (previous, whole[len(known) :]) if shared else (None, whole)


def _fits(stored: Stored, id: str) -> bool:
    try:
        _made(stored)
        items_of(stored.get("input") or [], id)
    except Unfit:
        return False
    return True


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one.get("id") and one.get("id") == other.get("id"):
        return True
    return bool(without_nulls(one) == without_nulls(other))


def _made(stored: Stored) -> tuple[Response, list[ItemRow]]:
    """Return the response without its output, and its output. `Unfit` when it is none of ours."""
    if stored.get("status") in _UNFINISHED:
        raise Unfit(f"it was still {stored['status']}")
    name = text(stored.get("id"), "id")
    response = _read(_fields(stored))
    output = items_of(stored.get("output") or [], f"{name} output")
    return msgspec.structs.replace(response, output=UNSET), [ItemRow(one.id, encode(one), True) for one in output]


def _read(fields: dict[str, Any]) -> Response:
    """Return the response, without what its settings have and ours do not: nothing acts on them any more."""
    while True:
        try:
            return _response(_encode(fields))
        except msgspec.ValidationError as error:
            found = _UNREAD.match(str(error))
            if found is None:
                raise Unfit(str(error)) from None
            holder: Any = fields
            for step in _STEP.findall(found["place"]):
                holder = holder[int(step) if isinstance(holder, list) else step]
            del holder[found["name"]]


def _fields(stored: Stored) -> dict[str, Any]:
    given = {name: value for name, value in without_nulls(dict(stored)).items() if name in _KNOWN}
    if isinstance(given.get("conversation"), str):
        given["conversation"] = {"id": given["conversation"]}
    if isinstance(given.get("usage"), dict):
        given["usage"] = {"input_tokens_details": {}, "output_tokens_details": {}} | given["usage"]
    return {"reasoning": {}, "text": {"format": {"type": "text"}}, "tools": [], "metadata": {}} | given

"""The events of streams that go on in the background, kept so that anybody can read on from anywhere."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, get_args

import msgspec

from stackwright.storage.sql import Do, Migration, Script, SqlBackend, Value
from stackwright.storage.sql.columns import quoted
from stackwright.wire.events import Event

_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
NAMES = {kind: str(kind.__struct_config__.tag) for kind in get_args(Event)}
"""The type of each event, as callers know it."""
_TOGETHER = 50
_PAGE = 500
_PADDED = 16
"""Events are padded to a multiple of so many characters, on request."""


class Entry(NamedTuple):
    """One event: its number in the stream, its type, its JSON."""

    number: int
    kind: str
    body: bytes


def entries(made: Sequence[Event]) -> list[Entry]:
    """Return events as they are kept."""
    return [Entry(event.sequence_number, NAMES[type(event)], _encode(event)) for event in made]


def framed(entry: Entry, *, padded: bool) -> bytes:
    """Return an event as it is sent, named as OpenAI names it; `padded` hides how long a delta is."""
    body = entry.body
    if padded and entry.kind.endswith(".delta"):
        body = b'%b,"obfuscation":"%b"}' % (body[:-1], padding(len(body)).encode())
    return b"event: %b\ndata: %b\n\n" % (entry.kind.encode(), body)


def padding(length: int) -> str:
    """Return what hides how long something is."""
    return secrets.token_urlsafe(_PADDED)[: _PADDED - length % _PADDED]


class Journal:
    """The events of all background streams of one table of responses, beside it."""

    def __init__(self, backend: SqlBackend, table_name: str) -> None:
        self._backend = backend
        self._table = table = quoted(f"{table_name}_events")
        here = "tenant = $1 AND response_id = $2"
        self._inserts: dict[int, str] = {}
        self._delete = backend.render(f"DELETE FROM {table} WHERE {here}")
        self._after = backend.render(
            f"SELECT number, kind, body FROM {table} WHERE {here} AND number > $3 ORDER BY number LIMIT {_PAGE}"
        )
        self._all = backend.render(f"SELECT body FROM {table} WHERE {here} ORDER BY number")
        self._last = backend.render(f"SELECT MAX(number) FROM {table} WHERE {here}")

    def migrations(self, *, version: int) -> list[Migration]:
        """Return what makes the table, as that version of the responses' own."""
        columns = (
            "tenant TEXT NOT NULL, response_id TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL, "
            "body {bytes} NOT NULL, PRIMARY KEY (tenant, response_id, number)"
        )
        return [Migration(version, [f"CREATE TABLE {self._table} ({columns})"])]

    def adding(self, tenant: str, response_id: str, entries: Sequence[Entry]) -> Script[None]:
        """Write events."""
        for start in range(0, len(entries), _TOGETHER):
            some = entries[start : start + _TOGETHER]
            args: list[Value] = [tenant, response_id]
            for entry in some:
                args += entry
            yield Do(self._insert(len(some)), tuple(args))

    def told(self, tenant: str, response_id: str) -> Script[list[Event]]:
        """Return all events so far; none when the response is not streamed."""
        rows = yield Do(self._all, (tenant, response_id))
        return [_decode(body) for (body,) in rows]

    def deleting(self, tenant: str, response_id: str) -> Script[None]:
        """Delete the events of a response."""
        yield Do(self._delete, (tenant, response_id))

    async def after(self, tenant: str, response_id: str, number: int) -> list[Entry]:
        """Return the next events after that number."""
        return [Entry(*row) for row in await self._backend.fetch(self._after, tenant, response_id, number)]

    async def last(self, tenant: str, response_id: str) -> int:
        """Return the number of the latest event; -1 when there is none."""
        ((number,),) = await self._backend.fetch(self._last, tenant, response_id)
        return -1 if number is None else number

    def _insert(self, count: int) -> str:
        if count not in self._inserts:
            places = range(3, 3 + 3 * count, 3)
            lines = ", ".join(f"($1, $2, ${n}, ${n + 1}, ${n + 2})" for n in places)
            self._inserts[count] = self._backend.render(
                # It is repeated by its job when the answer to a commit was lost.
                f"INSERT INTO {self._table} (tenant, response_id, number, kind, body) VALUES {lines} "
                "ON CONFLICT (tenant, response_id, number) DO NOTHING"
            )
        return self._inserts[count]

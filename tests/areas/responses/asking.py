"""The service in this process, a vendor that plays scripts behind it, and every answer held against the document."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from stackwright.app.wiring import open_app
from stackwright.areas.responses import Responses
from stackwright.areas.responses.types import InputItemsQuery, ListQuery, RetrieveQuery
from stackwright.config.load import loads
from stackwright.http.call import Json, Stream
from stackwright.providers.registry import TYPES
from stackwright.testing.upstream import Upstream, delta
from stackwright.wire.responses import ResponseRequest
from tests.schemas import DOCUMENT, document, validate

Body = dict[str, Any]

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: up
      provider_type: {type}
      config: {base_url: "{base_url}", models: [m], max_retries: 0}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "{folder}/kv.db"}
    sql_default: {sql}
{more}
"""


@cache
def _schema_of(kind: str) -> str:
    schemas = document()["components"]["schemas"]
    for reference in schemas["ResponseStreamEvent"]["anyOf"]:
        name: str = reference["$ref"].rpartition("/")[2]
        parts = [schemas[name], *schemas[name].get("allOf", ())]
        if any(kind in part.get("properties", {}).get("type", {}).get("enum", ()) for part in parts):
            return name
    raise AssertionError(f"{kind} is no event of OpenAI's")


def checked(body: Any, schema: str = "Response") -> Any:
    """Return a body that OpenAI's document describes."""
    if DOCUMENT.exists():
        validate(body, schema)
    return body


def checked_event(event: Body) -> Body:
    """Return an event that OpenAI's document describes."""
    if DOCUMENT.exists():
        validate(event, _schema_of(event["type"]))
    return event


def checked_events(raw: bytes) -> list[Body]:
    """Return the events of a whole stream: named, numbered without a gap, as OpenAI's document has them."""
    made = []
    for block in raw.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        made.append(event)
    assert [event["sequence_number"] for event in made] == list(range(len(made)))
    return [checked_event(event) for event in made]


class Asking:
    """Asks the service what a caller would ask."""

    def __init__(self, responses: Responses, vendor: Upstream) -> None:
        self.responses = responses
        self.vendor = vendor

    async def create(self, tenant: str = "t", **body: Any) -> Json | Stream:
        """Return the answer of a request, as it comes."""
        raw = json.dumps({"model": "up/m", "input": "Hello.", **body}).encode()
        return await self.responses.create(tenant, msgspec.json.decode(raw, type=ResponseRequest), raw)

    async def whole(self, tenant: str = "t", **body: Any) -> Body:
        """Return a whole answer."""
        answer = await self.create(tenant, **body)
        assert isinstance(answer, Json)
        found: Body = checked(json.loads(answer))
        return found

    async def events(self, tenant: str = "t", **body: Any) -> list[Body]:
        """Return the events of a stream."""
        answer = await self.create(tenant, stream=True, **body)
        assert isinstance(answer, Stream)
        return checked_events(b"".join([block async for block in answer.blocks]))

    async def kept(self, id: str, tenant: str = "t", **query: Any) -> Body:
        """Return a stored response."""
        found: Body = checked(await self.found(id, tenant, **query))
        return found

    async def found(self, id: str, tenant: str = "t", **query: Any) -> Body:
        """Return a stored response, whatever it looks like."""
        answer = await self.responses.get(tenant, id, msgspec.convert(query, RetrieveQuery))
        assert isinstance(answer, Json)
        found: Body = json.loads(answer)
        return found

    async def page(self, tenant: str = "t", **query: Any) -> Body:
        """Return a page of stored responses."""
        found: Body = json.loads(await self.responses.page(tenant, msgspec.convert(query, ListQuery)))
        return found

    async def input_items(self, id: str, tenant: str = "t", **query: Any) -> Body:
        """Return a page of a response's input."""
        answer = await self.responses.input_items(tenant, id, msgspec.convert(query, InputItemsQuery))
        found: Body = checked(json.loads(answer), "ResponseItemList")
        return found

    @property
    def asked(self) -> Body:
        """What the vendor was asked last."""
        found: Body = self.vendor.requests[-1].json
        return found


@asynccontextmanager
async def served(
    vendor: Upstream,
    folder: Path,
    *,
    sql: Mapping[str, Any] | None = None,
    more: str = "",
    type: str = "remote::openai-compatible",
) -> AsyncIterator[Asking]:
    """Open the service in front of a vendor, on SQLite unless told otherwise."""
    backend = sql or {"type": "sql_sqlite", "db_path": f"{folder}/sql.db"}
    text = RUN_FILE.replace("{base_url}", vendor.base_url).replace("{folder}", str(folder))
    text = text.replace("{sql}", json.dumps(backend)).replace("{more}", more).replace("{type}", type)
    run = loads(text, environ={}, types=TYPES)
    async with open_app(run, workers=1, log_requests=False) as app:
        await app.catalog.settled(5)
        try:
            yield Asking(app.responses, vendor)
        finally:
            await app.settle()


def said(*words: str, finish: str = "stop", **usage: int) -> list[Body]:
    """Return the chunks of a spoken answer."""
    counted = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, **usage}
    return [*(delta(word) for word in words), delta(finish=finish), {**delta(), "choices": [], "usage": counted}]


def called(*functions: tuple[str, str], finish: str = "tool_calls") -> list[Body]:
    """Return the chunks of an answer that calls functions, their arguments in two pieces."""
    chunks = []
    for place, (name, arguments) in enumerate(functions):
        half = len(arguments) // 2
        first = {"index": place, "id": f"call_{place}", "type": "function"}
        chunks.append(_piece({**first, "function": {"name": name, "arguments": arguments[:half]}}))
        chunks.append(_piece({"index": place, "function": {"arguments": arguments[half:]}}))
    return [*chunks, delta(finish=finish)]


def piece(**fields: Any) -> Body:
    """Return a chunk whose delta has these fields."""
    chunk = delta()
    chunk["choices"][0]["delta"] = fields
    return chunk


def _piece(call: Body) -> Body:
    return piece(tool_calls=[call])

"""Chat completions: a row of Llama Stack's as a row of ours."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from stackwright.app.carry.layouts import Found
from stackwright.app.carry.report import Why
from stackwright.app.carry.values import Unfit, a_list, loads, named, seconds, text, without_nulls
from stackwright.areas.chat import StoredCompletion
from stackwright.storage.foreign import ForeignRows
from stackwright.storage.sql import Row

_encode = msgspec.json.Encoder().encode


async def read(source: ForeignRows, table: Found) -> AsyncGenerator[list[StoredCompletion | Why], None]:
    """Return the completions of a table in order of arrival."""
    sql = (
        f"SELECT id, created, model, choices, input_messages FROM {table.quoted} "  # noqa: S608 - it is quoted
        f"ORDER BY created, {source.arrival}"
    )
    async for rows in source.batches(sql):
        yield [_completion(row) for row in rows]


def _completion(row: Row) -> StoredCompletion | Why:
    name, created, model, choices, messages = row
    try:
        made = seconds(created, "created")
        body = {
            "id": text(name, "id"),
            "object": "chat.completion",
            "created": made,
            "model": text(model, "model"),
            "choices": [_choice(one) for one in a_list(loads(choices, "choices"), "choices")],
        }
        asked = [_message(one) for one in a_list(loads(messages, "input_messages"), "input_messages")]
    except Unfit as error:
        return Why(named(name), str(error))
    return StoredCompletion(name, made, model, None, "{}", _encode(asked), _encode(body))


def _choice(given: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(given.get("message"), dict):
        raise Unfit("one of its choices has no message")
    message = {"role": "assistant", "content": None, "refusal": None} | without_nulls(given["message"])
    rest = {name: without_nulls(value) for name, value in given.items() if name != "message"}
    return {"index": 0, "finish_reason": "stop", "logprobs": None} | rest | {"message": message}


def _message(given: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = without_nulls(given)
    return message if "content" in message else message | {"content": None}

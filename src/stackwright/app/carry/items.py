"""Items of responses and conversations. One without an id gets one that is the same in every run."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from stackwright.app.carry.values import Unfit, without_nulls
from stackwright.errors import InvalidRequest
from stackwright.wire.given import parse_input
from stackwright.wire.items import Item, ItemReference

_UNSAID: Mapping[str, Mapping[str, Any]] = {
    "web_search_call": {"action": {"type": "search", "query": ""}},
}
"""What Llama Stack leaves out of an item, and OpenAI does not."""

_MINTED = 48
"""Digits of an id that was minted, after the prefix that tells its kind."""


def items_of(given: Sequence[dict[str, Any]], seed: str) -> list[Item]:
    """Return items as we keep them. `Unfit` names the one that is none.

    Args:
        given: The items.
        seed: What tells them from all others, for the ids of those without.
    """
    try:
        items = parse_input([_completed(without_nulls(one)) for one in given], param="item")
    except InvalidRequest as error:
        raise Unfit(f"{error.param}: {error.message}") from None
    for place, (item, one) in enumerate(zip(items, given, strict=True)):
        if isinstance(item, ItemReference):
            raise Unfit(f"item[{place}] is a reference to an item, not one")
        if not one.get("id"):
            digest = hashlib.sha256(f"{seed} {place}".encode()).hexdigest()
            item.id = item.id[:-_MINTED] + digest[:_MINTED]
    return items


def _completed(item: dict[str, Any]) -> dict[str, Any]:
    return {**_UNSAID.get(str(item.get("type")), {}), **item}

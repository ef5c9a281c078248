"""Llama Stack's keys: its registry, its prompts, and what others keep beside them."""

import re
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from stackwright.app.carry.report import Left
from stackwright.storage.foreign import ForeignKeys

_REGISTERED = re.compile(r"(?:(.+?):)?distributions:registry:v(\d+)::([^:]+):(.+)", re.DOTALL)
_PROMPT = re.compile(r"(?:(.+?):)?prompts:v\d+:([^:]+):([^:]+)")
_OURS = re.compile(r"[\x1e\x1f]")
_GROUPS = 20
"""Kinds of other keys that are told apart."""

NO_STORE = {
    "vector_db": "vector stores are not carried over",
    "vector_store": "vector stores are not carried over",
    "tool_group": "tool groups are settings of the run file",
    "tool": "tool groups are settings of the run file",
    "shield": "there is no such API",
    "dataset": "there is no such API",
    "scoring_function": "there is no such API",
    "benchmark": "there is no such API",
    "eval_task": "there is no such API",
    "memory_bank": "there is no such API",
}
OTHERS = "no store of ours keeps such keys"
SUPERSEDED = "a newer release of Llama Stack wrote its registry anew"
ELSEWHERE = "the run file names no such namespace"


class Registered(NamedTuple):
    """A key of the registry."""

    key: str
    version: int
    type: str


@dataclass
class Keys:
    """The keys of one place, sorted out."""

    models: list[str] = field(default_factory=list)
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    """By prompt, the key of each version and that of its default."""
    left: list[Left] = field(default_factory=list)


async def sort_out(source: ForeignKeys, namespaces: frozenset[str]) -> Keys:
    """Return what there is."""
    found, registered, others = Keys(), list[Registered](), Counter[tuple[str, str]]()
    mine = namespaces | {"prompts"}
    async for key in _keys(source):
        if match := _REGISTERED.fullmatch(key):
            if match[1] is None or match[1] in mine:
                registered.append(Registered(key, int(match[2]), match[3]))
            else:
                others[f"registry of '{match[1]}'", ELSEWHERE] += 1
        elif match := _PROMPT.fullmatch(key):
            if match[1] is None or match[1] in mine:
                found.prompts.setdefault(match[2], {})[match[3]] = key
            else:
                others[f"prompts of '{match[1]}'", ELSEWHERE] += 1
        elif not _OURS.search(key):
            others[f"keys of '{key.partition(':')[0][:64]}'", OTHERS] += 1
    newest = max((one.version for one in registered), default=0)
    for one in registered:
        if one.version < newest:
            others[f"registry v{one.version}", SUPERSEDED] += 1
        elif one.type == "model":
            found.models.append(one.key)
        else:
            others[one.type, NO_STORE.get(one.type, OTHERS)] += 1
    found.models.sort()
    found.left = [Left(what, source.address, rows, why) for (what, why), rows in _fewer(others)]
    return found


def _fewer(others: Counter[tuple[str, str]]) -> Sequence[tuple[tuple[str, str], int]]:
    if len(others) <= _GROUPS:
        return sorted(others.items())
    first, rest = others.most_common()[:_GROUPS], others.most_common()[_GROUPS:]
    return [*sorted(first), (("other keys", OTHERS), sum(count for _, count in rest))]


async def _keys(source: ForeignKeys) -> AsyncGenerator[str, None]:
    async for keys in source.keys():
        for key in keys:
            yield key

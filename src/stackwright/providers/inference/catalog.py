"""What a vendor's list of models says, and what a model's name tells."""

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any, TypeGuard

import msgspec

from stackwright.errors import UpstreamError
from stackwright.ports.inference import ModelKind, Offer
from stackwright.providers.inference.config import PortName
from stackwright.providers.inference.reading import NO_JSON

MOST_MODELS = 5000
"""Ten times what the largest router lists."""
LONGEST_NAME = 256
LATEST = 2**53
EMBEDDING_NAMES = ("embed", "bge-", "gte-", "e5-", "minilm", "wordllama")
OTHER_NAMES = ("whisper", "tts", "dall-e", "transcribe", "realtime", "sora", "gpt-image", "rerank")
"""Models of APIs that are not ours to serve: speech, pictures, ranking."""


def kind_of(name: str) -> ModelKind | None:
    """Guess what a model is from its name; None for one that none of our ports can use."""
    lower = name.lower()
    if any(part in lower for part in EMBEDDING_NAMES):
        return "embedding"
    if "moderation" in lower:
        return "moderation"
    return None if any(part in lower for part in OTHER_NAMES) else "llm"


def named(name: str, ports: Collection[PortName]) -> Offer:
    """Return a model that the run file names: its word is enough."""
    kind = kind_of(name)
    served = kind == "llm" or (kind == "embedding" and "embeddings" in ports) or "moderations" in ports
    return Offer(name=name, kind=kind if kind is not None and served else "llm")


def listed(body: bytes, ports: Collection[PortName]) -> Sequence[Offer]:
    """Read an answer to `GET /models`: OpenAI's list, or a bare array. Entries without an id are passed over."""
    try:
        answer = msgspec.json.decode(body)
    except NO_JSON:
        raise UpstreamError("The vendor's list of models is no JSON.") from None
    entries = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        raise UpstreamError("The vendor's list of models has neither `data` nor `models`.")
    offers = (_offer(entry, ports) for entry in entries if isinstance(entry, dict))
    return list(islice((offer for offer in offers if offer is not None), MOST_MODELS))


def _offer(entry: dict[str, Any], ports: Collection[PortName]) -> Offer | None:
    name = entry.get("id") or entry.get("name")
    if not _is_name(name) or (kind := kind_of(name)) is None:
        return None
    if kind == "embedding" and "embeddings" not in ports:
        return None
    if kind == "moderation" and "moderations" not in ports:
        return None
    owner, created = entry.get("owned_by"), entry.get("created")
    return Offer(
        name=name,
        kind=kind,
        owned_by=owner if _is_name(owner) else "",
        created=int(created) if isinstance(created, int | float) and 0 <= created < LATEST else 0,
    )


def _is_name(said: Any) -> TypeGuard[str]:
    """Whether a vendor's word can be shown: printable, and no longer than a name is."""
    return isinstance(said, str) and 0 < len(said) <= LONGEST_NAME and said.isprintable()

"""Embeddings in this process: WordLlama's token vectors, averaged. Microseconds a text, and never the network."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from stackwright.config.section import Section
from stackwright.errors import InvalidRequest, NotFound
from stackwright.ports.inference import ModelCall, Offer
from stackwright.providers.provider import Backends, Provider

NAME = "wordllama"
SIZES = (64, 128, 256)
"""Dimensions the vectors were trained to be cut to (Matryoshka)."""
_MANY = 4096
"""Tokens above which a text is averaged by counting: its token vectors together would take gigabytes."""

Encoding = Literal["float", "base64"]
Embed = Callable[[list[str], int], tuple[Any, int]]
"""Takes texts and dimensions; returns an array of shape `(texts, dimensions)` of unit rows, and the tokens read."""


class Config(Section):
    """How long the vectors are."""

    dimensions: Literal[64, 128, 256] = Field(256, description="Dimensions where a request does not say.")


class WordLlama:
    """One embedding model. Both `Inference` and its `embeddings` port."""

    chat = None
    completions = None
    moderations = None

    def __init__(self, dimensions: int, workers: ThreadPoolExecutor) -> None:
        self.embeddings = self
        self._dimensions = dimensions
        self._workers = workers
        self._embed: Future[Embed] = workers.submit(load)

    async def models(self) -> Sequence[Offer]:
        """Return the one model."""
        return [
            Offer(
                name=NAME,
                kind="embedding",
                owned_by="wordllama",
                metadata={"embedding_dimension": self._dimensions},
            )
        ]

    async def create(self, call: ModelCall) -> bytes:
        """Embed up to 2,048 texts."""
        if call.model != NAME:
            raise NotFound("model", call.model, param="model", code="model_not_found")
        texts = _texts(call)
        encoding: Encoding = _param(call, "encoding_format", Encoding) or "float"
        dimensions = _param(call, "dimensions", int) or self._dimensions
        if dimensions not in SIZES:
            raise InvalidRequest(
                f"'dimensions' of {NAME} is one of {', '.join(map(str, SIZES))}, not {dimensions}.", param="dimensions"
            )
        return await asyncio.get_running_loop().run_in_executor(
            self._workers, self._answer, texts, dimensions, encoding
        )

    def _answer(self, texts: list[str], dimensions: int, encoding: Encoding) -> bytes:
        rows, tokens = self._embed.result()(texts, dimensions)
        told = rows.tolist() if encoding == "float" else [base64.b64encode(row.astype("<f4").tobytes()) for row in rows]
        return msgspec.json.encode(
            {
                "object": "list",
                "data": [
                    {
                        "object": "embedding",
                        "index": index,
                        "embedding": row if encoding == "float" else row.decode(),
                    }
                    for index, row in enumerate(told)
                ],
                "model": NAME,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )


def _param(call: ModelCall, name: str, type: Any) -> Any:
    try:
        return msgspec.json.decode(call.params.get(name, b"null"), type=type | None)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"Invalid '{name}': {error}.", param=name, code="invalid_value") from error


def _texts(call: ModelCall) -> list[str]:
    many = Annotated[list[str | int | list[int]], msgspec.Meta(min_length=1, max_length=2048)]
    given = _param(call, "input", str | many)
    if given is None:
        raise InvalidRequest("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
    texts = [given] if isinstance(given, str) else given
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequest(f"{NAME} has tokens of its own: 'input' takes text, not token arrays.", param="input")
        if not text:
            raise InvalidRequest(f"'input' has an empty string at {place}.", param="input")
    return texts


def load() -> Embed:
    """Load the model out of its own package; takes a second, nearly all of it imports."""
    import numpy as np
    import wordllama  # type: ignore[import-untyped]

    # Its loader knows where the weights are, and looks for the tokenizer in a folder of another name.
    model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
    model.tokenizer.no_padding()
    table = model.embedding

    def total(ids: list[int]) -> Any:
        if len(ids) <= _MANY:
            return table[ids].sum(axis=0)
        distinct, counts = np.unique(ids, return_counts=True)
        return counts.astype(np.float32) @ table[distinct]

    def embed(texts: list[str], dimensions: int) -> tuple[Any, int]:
        encoded = [encoding.ids for encoding in model.tokenize(texts)]
        rows = np.stack([total(ids) for ids in encoded])[:, :dimensions]
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        # A text without a single token has no direction: its vector stays zero.
        return rows / np.where(length == 0, 1, length), sum(map(len, encoded))

    return embed


@asynccontextmanager
async def connect(config: Config, backends: Backends) -> AsyncIterator[WordLlama]:
    """Start loading, in the background."""
    if find_spec("wordllama") is None:
        raise ModuleNotFoundError("No module named 'wordllama'", name="wordllama")
    workers = ThreadPoolExecutor(2, thread_name_prefix="wordllama")
    try:
        yield WordLlama(config.dimensions, workers)
    finally:
        await asyncio.to_thread(workers.shutdown, cancel_futures=True)


PROVIDER = Provider(
    type="inline::wordllama",
    api="inference",
    summary="Embeddings in this process, without a network or a GPU",
    config=Config,
    open=connect,
    extra="local",
)

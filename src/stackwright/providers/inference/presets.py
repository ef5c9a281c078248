"""Vendors that speak OpenAI's API: one row each, all on the same adapter."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from pydantic import AliasChoices, Field, create_model

from stackwright.providers.inference.config import Config, CountStyle, PortName, Quirks
from stackwright.providers.provider import Backends, Provider

MAX_TOKENS = {"max_completion_tokens": "max_tokens"}
"""For vendors that know the older name only."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """What we know of a vendor."""

    title: str
    url: str | None
    """Address of its API; None where everybody has their own."""
    example: str = ""
    """What such an address looks like."""
    key: str | None = None
    """The environment variable in which people keep the key; None where none is needed."""
    ports: tuple[PortName, ...] = ()
    """What it has besides chat."""
    renames: Mapping[str, str] = field(default_factory=dict)
    hears_reasoning: bool = True
    """Whether a message may carry what the model thought; some refuse a field they do not know."""
    counts: CountStyle | None = None
    """How it counts the tokens of a prompt, where it can."""
    models: tuple[str, ...] | None = None
    """Its models, where it has no list of them."""
    note: str = ""


PRESETS: Mapping[str, Preset] = {
    "remote::openai": Preset(
        title="OpenAI",
        url="https://api.openai.com/v1",
        key="OPENAI_API_KEY",
        ports=("completions", "embeddings", "moderations"),
        counts="responses",
        hears_reasoning=False,
    ),
    "remote::openai-compatible": Preset(
        title="any server with OpenAI's API",
        url=None,
        example="http://localhost:9000/v1",
        key="OPENAI_COMPATIBLE_API_KEY",
        ports=("completions", "embeddings", "moderations"),
    ),
    "remote::vllm": Preset(
        title="vLLM",
        url="http://localhost:8000/v1",
        key="VLLM_API_KEY",
        ports=("completions", "embeddings"),
        counts="tokenize",
    ),
    "remote::ollama": Preset(
        title="Ollama",
        url="http://localhost:11434/v1",
        ports=("completions", "embeddings"),
        renames=MAX_TOKENS,
    ),
    "remote::llama-cpp-server": Preset(
        title="llama.cpp's llama-server",
        url="http://localhost:8080/v1",
        key="LLAMA_API_KEY",
        ports=("completions", "embeddings"),
        renames=MAX_TOKENS,
        counts="chat",
        note="Embeddings need `llama-server --embeddings`.",
    ),
    "remote::lmstudio": Preset(
        title="LM Studio",
        url="http://localhost:1234/v1",
        ports=("completions", "embeddings"),
        renames=MAX_TOKENS,
    ),
    "remote::sglang": Preset(
        title="SGLang", url="http://localhost:30000/v1", key="SGLANG_API_KEY", ports=("completions", "embeddings")
    ),
    "remote::tgi": Preset(
        title="Text Generation Inference",
        url="http://localhost:8080/v1",
        key="HF_TOKEN",
        ports=("completions",),
        renames=MAX_TOKENS,
    ),
    "remote::litellm": Preset(
        title="LiteLLM proxy",
        url="http://localhost:4000/v1",
        key="LITELLM_API_KEY",
        ports=("completions", "embeddings", "moderations"),
    ),
    "remote::azure": Preset(
        title="Azure OpenAI, API version v1",
        url=None,
        key="AZURE_OPENAI_API_KEY",
        ports=("completions", "embeddings"),
        example="https://RESOURCE.openai.azure.com/openai/v1",
        note="Models are named by their deployment.",
        hears_reasoning=False,
    ),
    "remote::databricks": Preset(
        title="Databricks model serving",
        url=None,
        key="DATABRICKS_TOKEN",
        ports=("completions", "embeddings"),
        example="https://WORKSPACE.cloud.databricks.com/serving-endpoints",
        note="It has no list of models: name yours in `models`.",
    ),
    "remote::together": Preset(
        title="Together AI",
        url="https://api.together.xyz/v1",
        key="TOGETHER_API_KEY",
        ports=("completions", "embeddings"),
        renames=MAX_TOKENS,
    ),
    "remote::groq": Preset(
        title="Groq", url="https://api.groq.com/openai/v1", key="GROQ_API_KEY", hears_reasoning=False
    ),
    "remote::fireworks": Preset(
        title="Fireworks AI",
        url="https://api.fireworks.ai/inference/v1",
        key="FIREWORKS_API_KEY",
        ports=("completions", "embeddings"),
    ),
    "remote::mistral": Preset(
        title="Mistral AI",
        url="https://api.mistral.ai/v1",
        key="MISTRAL_API_KEY",
        ports=("embeddings", "moderations"),
        renames=MAX_TOKENS | {"seed": "random_seed"},
        hears_reasoning=False,
    ),
    "remote::deepseek": Preset(
        title="DeepSeek", url="https://api.deepseek.com/v1", key="DEEPSEEK_API_KEY", renames=MAX_TOKENS
    ),
    "remote::openrouter": Preset(
        title="OpenRouter",
        url="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        ports=("completions", "embeddings"),
    ),
    "remote::gemini": Preset(
        title="Google Gemini",
        url="https://generativelanguage.googleapis.com/v1beta/openai",
        key="GEMINI_API_KEY",
        ports=("embeddings",),
        hears_reasoning=False,
    ),
    "remote::cerebras": Preset(
        title="Cerebras",
        url="https://api.cerebras.ai/v1",
        key="CEREBRAS_API_KEY",
        ports=("completions",),
        hears_reasoning=False,
    ),
    "remote::sambanova": Preset(
        title="SambaNova", url="https://api.sambanova.ai/v1", key="SAMBANOVA_API_KEY", ports=("embeddings",)
    ),
    "remote::nvidia": Preset(
        title="NVIDIA NIM",
        url="https://integrate.api.nvidia.com/v1",
        key="NVIDIA_API_KEY",
        ports=("completions", "embeddings"),
        renames=MAX_TOKENS,
    ),
    "remote::xai": Preset(title="xAI", url="https://api.x.ai/v1", key="XAI_API_KEY", ports=("completions",)),
    "remote::perplexity": Preset(
        title="Perplexity",
        url="https://api.perplexity.ai",
        key="PERPLEXITY_API_KEY",
        renames=MAX_TOKENS,
        models=("sonar", "sonar-pro", "sonar-reasoning-pro", "sonar-deep-research"),
        hears_reasoning=False,
    ),
    "remote::hyperbolic": Preset(
        title="Hyperbolic",
        url="https://api.hyperbolic.xyz/v1",
        key="HYPERBOLIC_API_KEY",
        ports=("completions",),
        renames=MAX_TOKENS,
    ),
    "remote::deepinfra": Preset(
        title="DeepInfra",
        url="https://api.deepinfra.com/v1/openai",
        key="DEEPINFRA_API_KEY",
        ports=("completions", "embeddings"),
        renames=MAX_TOKENS,
    ),
    "remote::nebius": Preset(
        title="Nebius Token Factory",
        url="https://api.tokenfactory.nebius.com/v1",
        key="NEBIUS_API_KEY",
        ports=("completions", "embeddings"),
    ),
}


@cache
def provider(type: str) -> Provider[Config]:
    """Return the provider type of a row."""
    preset = PRESETS[type]
    quirks = Quirks(
        type=type,
        ports=frozenset(preset.ports),
        renames=preset.renames,
        hears_reasoning=preset.hears_reasoning,
        counts=preset.counts,
    )
    return Provider(
        type=type,
        api="inference",
        summary=f"Models served by {preset.title}",
        config=_config(preset),
        open=partial(_connect, quirks),
    )


def _config(preset: Preset) -> type[Config]:
    """Return the adapter's config with the row's defaults."""
    fields: dict[str, Any] = {}
    if preset.url is not None:
        about = Config.model_fields["base_url"].description
        fields["base_url"] = (
            str,
            Field(preset.url, description=about, validation_alias=AliasChoices("base_url", "url")),
        )
    if preset.models is not None:
        about = Config.model_fields["models"].description
        fields["models"] = (list[str] | None, Field(list(preset.models), description=about))
    made: type[Config] = create_model("Config", __base__=Config, __doc__=Config.__doc__, **fields)
    return made


def _connect(quirks: Quirks, config: Config, backends: Backends) -> AbstractAsyncContextManager[Any]:
    # Imported here: the names of the vendors are asked for more often than their adapter.
    from stackwright.providers.inference.openai_compatible import connect

    return connect(config, quirks)

"""OpenAI's own client with a `prompts` resource: `from stackwright import Stackwright`.

Everything else is `openai.OpenAI` and `openai.AsyncOpenAI` as they are. Needs `pip install 'stackwright[client]'`.
"""

from functools import cached_property

from openai import AsyncOpenAI, OpenAI

from stackwright.client.asynchronous import AsyncPrompts
from stackwright.client.synchronous import Prompts


class Stackwright(OpenAI):
    """`openai.OpenAI`, and prompts."""

    @cached_property
    def prompts(self) -> Prompts:
        """Prompts: create, publish, point the default and labels, render, compare."""
        return Prompts(self)


class AsyncStackwright(AsyncOpenAI):
    """`openai.AsyncOpenAI`, and prompts."""

    @cached_property
    def prompts(self) -> AsyncPrompts:
        """Prompts: create, publish, point the default and labels, render, compare."""
        return AsyncPrompts(self)


__all__ = ["AsyncStackwright", "Stackwright"]

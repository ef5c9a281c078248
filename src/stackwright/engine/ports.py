"""What a turn needs of the world."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from stackwright.engine.signals import ModelSignal, ToolReturned, ToolsListed
from stackwright.engine.state import AskModel, ListTools, RunTool

Answer = AbstractAsyncContextManager[AsyncIterator[Sequence[ModelSignal]]]
"""Yields what arrived together as one batch. It ends normally only after a `ModelEnded`."""


class Model(Protocol):
    """Who answers."""

    def ask(self, effect: AskModel) -> Answer:
        """Open an answer. Entering and reading raise `StackwrightError`; leaving closes the vendor's connection."""
        ...


class Tools(Protocol):
    """Who runs what the server runs. Failures are signals too: nothing is raised but cancellation."""

    async def list(self, effect: ListTools) -> ToolsListed:
        """Ask a server for its tools."""
        ...

    async def run(self, effect: RunTool) -> ToolReturned:
        """Call a tool."""
        ...

    async def aclose(self) -> None:
        """Leave every server. Called once, when the turn is over, however it ended."""
        ...

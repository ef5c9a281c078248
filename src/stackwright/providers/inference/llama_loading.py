"""llama.cpp with a model in memory."""

import http.client
import logging
import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from stackwright.errors import Unavailable

log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How llama.cpp is to run."""

    weights: Path
    template: str
    """A Jinja chat template; empty: the one in the weights."""
    context_length: int
    """Tokens of prompt and answer together, for each of the `parallel` generations."""
    parallel: int
    queue: int
    threads: int
    batch_size: int
    load_timeout: float


class Loaded(msgspec.Struct, frozen=True):
    """A model in memory."""

    server: Any
    """A `xllamacpp.Server`."""
    knows_tools: bool
    """Whether its chat template can show tools to the model."""


def load(settings: Settings) -> Loaded:
    """Load a model; takes 0.3 s for a 100 MB one in the page cache. `Unavailable` when llama.cpp cannot."""
    Server = _library()  # noqa: N806 - a class
    # llama.cpp's own HTTP server cannot be turned off. It gets a socket in a directory of ours, a key nobody is told,
    # and loses the socket's name as soon as the model is there: then nobody can connect any more.
    with tempfile.TemporaryDirectory(prefix="stackwright-") as private:
        door, key = os.path.join(private, "llama.sock"), secrets.token_hex(32)
        try:
            server = Server(_params(settings, door, key))
        except (RuntimeError, ValueError) as error:
            log.error("llama.cpp cannot load %s: %s", settings.weights, error)
            raise Unavailable(f"llama.cpp cannot load {settings.weights.name}.", code="model_not_loaded") from error
        return Loaded(server, _knows_tools(door, key))


def _library() -> Any:
    try:
        from xllamacpp import Server  # type: ignore[import-untyped]
    except ImportError as error:
        # OpenMP's library is in no wheel, and not in every image.
        hint = " It needs libgomp; on Debian: apt-get install libgomp1." if "libgomp" in str(error) else ""
        log.error("llama.cpp cannot be imported: %s.%s", error, hint)
        raise Unavailable(f"llama.cpp cannot be used on this machine.{hint}", code="model_not_loaded") from error
    return Server


def _params(settings: Settings, door: str, key: str) -> Any:
    from xllamacpp import CommonParams

    params = CommonParams()
    params.model.path = str(settings.weights)
    params.chat_template = settings.template
    params.n_ctx = settings.context_length * settings.parallel
    params.n_parallel = settings.parallel
    params.n_batch = params.n_ubatch = settings.batch_size
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.hostnames, params.api_keys = [door], [key]
    params.endpoint_slots = params.ui = False
    # Its default is 8 GB of old prompts.
    params.cache_ram_mib = 0
    params.fit_params = params.warmup = False
    params.verbosity = -1
    return params


def _knows_tools(door: str, key: str) -> bool:
    with socket.socket(socket.AF_UNIX) as plug:
        plug.settimeout(10)
        plug.connect(door)
        connection = http.client.HTTPConnection("llama.cpp")
        connection.sock = plug
        connection.request("GET", "/props", headers={"Authorization": f"Bearer {key}"})
        caps = msgspec.json.decode(connection.getresponse().read())["chat_template_caps"]
    return bool(caps["supports_tools"])

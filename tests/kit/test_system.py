"""A failure has one wording, whichever event loop met it."""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

import uvloop

from stackwright.kit.system import why


async def _told(host: str, port: int) -> str:
    try:
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, host, port)
    except OSError as error:
        return why(error)
    raise AssertionError(f"somebody listens on {host}:{port}")


def test_a_refused_connection_is_told_alike_on_each_loop_and_for_one_address_or_two() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]

        def asked(host: str) -> Coroutine[Any, Any, str]:
            return _told(host, port)

        told = {run(asked(host)) for run in (asyncio.run, uvloop.run) for host in ("127.0.0.1", "localhost")}
    assert told == {"Connection refused"}


def test_what_is_said_otherwise_stays() -> None:
    assert why(socket.gaierror(-2, "Name or service not known")) == "Name or service not known"
    several = OSError(
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), [Errno 101] Network unreachable"
    )
    assert why(several) == str(several)

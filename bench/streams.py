"""Many streams that are open at once, and wait for their vendor."""

import asyncio
from collections.abc import Iterator, Mapping

from bench.report import Line
from bench.rounds import Effort
from bench.rows import DATABASES, response
from bench.servers import Server

OPEN = 500
WARM = 50
"""Opened and closed before, so that what is allocated once is not counted."""
WITHIN = 60.0
REQUEST = response("waits", stream=True)("up/")


def held(servers: Mapping[str, Server], effort: Effort) -> Iterator[Line]:
    """Measure the memory that a response's stream holds while it is open."""
    for name, database in DATABASES.items():
        grown = asyncio.run(_grown(servers[name], max(WARM, round(OPEN * effort.share))))
        yield Line(f"memory of an open stream ({database})", "KB", ours=grown * 1e3, must=200, goal=200)


async def _grown(server: Server, count: int) -> float:
    """Return the MB that each of so many streams adds."""
    await _close(await _opened(server.port, WARM))
    before = server.memory()
    streams = await _opened(server.port, count)
    # Had each of them a connection of the pool, this would wait for ever.
    await asyncio.to_thread(server.ask, "/v1/responses?limit=1")
    grown = server.memory() - before
    await _close(streams)
    return grown / count


async def _opened(port: int, count: int) -> list[asyncio.StreamWriter]:
    async with asyncio.timeout(WITHIN):
        return await asyncio.gather(*(_open(port) for _ in range(count)))


async def _open(port: int) -> asyncio.StreamWriter:
    """Return when the stream's first event has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode("latin-1"))
    await reader.readuntil(b"\n\n")
    return writer


async def _close(streams: list[asyncio.StreamWriter]) -> None:
    for stream in streams:
        stream.close()
    await asyncio.gather(*(stream.wait_closed() for stream in streams))

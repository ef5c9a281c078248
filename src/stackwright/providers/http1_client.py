"""Connections to one vendor, kept and reused.

No redirects, cookies, compression or proxies: an answer comes from the address in the run file or not at all.
"""

import asyncio
import ssl
from urllib.parse import urlsplit
from weakref import WeakSet

from stackwright.kit.system import why
from stackwright.providers.http1 import Connection, Cut, Deadlines, Late, NotConnected

IDLE_SECONDS = 60.0
IDLE_CONNECTIONS = 256


class Client:
    """Connections to one vendor, kept and reused. Belongs to the event loop that made it."""

    def __init__(self, base_url: str, deadlines: Deadlines, tls: ssl.SSLContext | None = None) -> None:
        """Prepare; no connection is made. `base_url` is `http://` or `https://`, host, and perhaps port and path."""
        url = urlsplit(base_url)
        self._deadlines = deadlines
        self._host = url.hostname or ""
        self._tls = (tls or ssl.create_default_context()) if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        self._idle: list[Connection] = []
        self._all: WeakSet[Connection] = WeakSet()
        self._closed = False
        self.authority = url.netloc.rpartition("@")[2]
        self.path = url.path.rstrip("/")

    async def answered(self, head: bytes, body: bytes = b"", *, reuse: bool = True) -> Connection:
        """Send a request; return its connection when the answer's head and first piece are there.

        The caller reads from it and then calls `release`.
        """
        connection = (self._take() if reuse else None) or await self._connect()
        try:
            connection.send(head, body)
            await connection.head()
        except Cut as cut:
            if connection.fresh or cut.answered:
                raise
            # The vendor closed a kept connection just as we used it: not a failure of this request.
            return await self.answered(head, body, reuse=False)
        except BaseException:
            connection.close()
            raise
        return connection

    def release(self, connection: Connection, *, ended: bool = False) -> None:
        """Keep the connection for the next request if its answer is complete, else close it.

        Args:
            connection: One that `answered` returned.
            ended: The content has ended, only HTTP's own end may be missing yet: wait for that in the background.
        """
        if connection.reusable and not self._closed and len(self._idle) < IDLE_CONNECTIONS:
            connection.fresh = False
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        elif ended and not connection.done:
            connection.linger(self.release)
        else:
            connection.close()

    def close(self) -> None:
        """Close every connection. Exchanges under way are cut."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._all):
            connection.close()

    def _take(self) -> Connection | None:
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    async def _connect(self) -> Connection:
        connection = await connected(self._host, self._port, self._deadlines, self._tls)
        self._all.add(connection)
        return connection


async def connected(
    host: str, port: int, deadlines: Deadlines, tls: ssl.SSLContext | None, *, name: str | None = None
) -> Connection:
    """Return a new connection.

    Args:
        host: A name or an address.
        port: Of the server.
        deadlines: Those of every exchange on it, and that of connecting.
        tls: How to be sure of the server; None to speak without TLS.
        name: What its certificate must be for, when `host` is an address of that name.
    """
    try:
        async with asyncio.timeout(deadlines.connect):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(deadlines), host, port, ssl=tls, server_hostname=name if tls else None
            )
    except TimeoutError:
        raise Late(f"no connection within {deadlines.connect:g} s") from None
    except OSError as error:
        raise NotConnected(f"no connection: {why(error)}") from error
    return connection

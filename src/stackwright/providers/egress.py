"""Where requests may go that callers ask for: to public servers, and to private ones that the operator names.

A name is resolved once for each connection, every address it has is looked at, and the connection is made to exactly
those: a name that means something else a moment later leads nowhere.
"""

import asyncio
import re
import socket
from collections import Counter, deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Lock, Thread
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

from stackwright.errors import InvalidRequest
from stackwright.kit.tenant import TENANT

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Found = list[tuple[Any, ...]]

_LOOKUPS = 8
"""Names that are looked up at a time for a tenant. The event loop does two for all: what callers ask for and is never
found must not hold up vendors."""
_LONGEST = 8000
_HOST = re.compile(r"[\w.:%-]{1,255}")
_PORTS = {"http": 80, "https": 443}
_FIRST_FREE_PORT = 1024
_NAT64 = IPv6Network("64:ff9b::/96")
_PRIVATE_TO_US = tuple(
    map(IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fec0::/10", "3fff::/20", "5f00::/16"))
)
"""Networks that `is_global` of some Python releases takes for public: local NAT64, IPv4 in two old forms of IPv6,
addresses of a site, of documents, and of routers' segments."""


class Forbidden(InvalidRequest):
    """Nobody may go there."""

    code = "forbidden_address"


class Egress:
    """Decides which servers may be called."""

    def __init__(self, private: Iterable[str], *, http: bool, setting: str) -> None:
        """Prepare.

        Args:
            private: Names and networks that may be called although they are not public.
            http: Whether public servers may be called without TLS; those in `private` always may.
            setting: Where in the run file `private` stands, for messages.
        """
        self._private = tuple(entry.lower() for entry in private)
        self._networks = tuple(network for entry in self._private if (network := _network(entry)) is not None)
        self._http = http
        self._setting = setting

    def trusting(self, url: str) -> Self:
        """Return the same with one more private server: that of this URL."""
        return type(self)((*self._private, _parts(url).hostname or ""), http=self._http, setting=self._setting)

    async def check(self, url: str) -> None:
        """Raise `Forbidden` when this URL may not be called. One whose name nobody knows at the moment may be."""
        with suppress(OSError):
            await self.addresses(url)

    async def addresses(self, url: str) -> list[str]:
        """Return the addresses to dial. `Forbidden` when the URL may not be called, OSError when there are none."""
        parts = _parts(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        found = await _LOOKING.up(host, port)
        addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
        if not addresses:
            raise OSError("the name has no address")
        if host in self._private or all(self._named(ip_address(address)) for address in addresses):
            return addresses
        if not all(is_public(ip_address(address)) for address in addresses):
            raise Forbidden(
                f"'{host}' is not a public server, and private ones are not called from here. The operator can allow "
                f"it in the run file: {self._setting}: [{host}]."
            )
        if not self._allowed(parts.scheme, port):
            raise Forbidden(
                f"{parts.scheme} to port {port} of '{host}' is not allowed: public servers are called by https, on "
                f"port 443 or from {_FIRST_FREE_PORT} up. The operator can name the server under {self._setting}."
            )
        return addresses

    def _named(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _allowed(self, scheme: str, port: int) -> bool:
        return (scheme == "https" or self._http) and (port in _PORTS.values() or port >= _FIRST_FREE_PORT)


class _Lookup(NamedTuple):
    """A name that somebody waits for."""

    host: str
    port: int
    found: Future[Found]


class _Looking:
    """Threads that look names up, so many at a time for each tenant: whose names are never found waits alone. Unlike
    those of an executor, the process does not wait for them when it ends: a lookup that nobody answers takes half a
    minute."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._threads: Counter[str] = Counter()
        self._waiting: dict[str, deque[_Lookup]] = {}

    async def up(self, host: str, port: int) -> Found:
        """Return what `getaddrinfo` does. Who is cancelled while it waits is not looked up."""
        tenant, lookup = TENANT.get(), _Lookup(host, port, Future())
        with self._lock:
            self._waiting.setdefault(tenant, deque()).append(lookup)
            if self._threads[tenant] < self._most:
                self._threads[tenant] += 1
                Thread(target=self._look, args=(tenant,), name="callers-names", daemon=True).start()
        return await asyncio.wrap_future(lookup.found)

    def _look(self, tenant: str) -> None:
        while (lookup := self._next(tenant)) is not None:
            if lookup.found.set_running_or_notify_cancel():
                try:
                    lookup.found.set_result(socket.getaddrinfo(lookup.host, lookup.port, type=socket.SOCK_STREAM))
                except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
                    lookup.found.set_exception(error)

    def _next(self, tenant: str) -> _Lookup | None:
        """Return what to look up; None for a thread that is over, for nobody waits."""
        with self._lock:
            if waiting := self._waiting[tenant]:
                return waiting.popleft()
            self._threads[tenant] -= 1
            if not self._threads[tenant]:
                del self._threads[tenant], self._waiting[tenant]
            return None


_LOOKING = _Looking(_LOOKUPS)


def is_public(address: Address) -> bool:
    """True for an address of the whole internet, also after taking IPv4 out of the IPv6 that it is wrapped in."""
    if isinstance(address, IPv6Address):
        if any(address in network for network in _PRIVATE_TO_US):
            return False
        inner = address.ipv4_mapped or address.sixtofour or _translated(address)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _parts(url: str) -> SplitResult:
    if len(url) > _LONGEST:
        raise Forbidden(f"A URL that is to be called has {_LONGEST} characters at most.")
    try:
        parts = urlsplit(url)
        _ = parts.port
        if parts.scheme not in _PORTS or not _HOST.fullmatch(parts.hostname or ""):
            raise Forbidden("A server's URL begins with https:// or http:// and the server's name.")
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise Forbidden("This is not a URL.") from None
    if "@" in parts.netloc:
        raise Forbidden("A URL with a user or a password in it is not called. Send them in a header.")
    return parts


def _translated(address: IPv6Address) -> IPv4Address | None:
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None

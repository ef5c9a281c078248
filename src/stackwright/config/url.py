"""Taking a database's URL apart without ever quoting it: it holds a password."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

_SHAPE = re.compile(r"([a-z0-9+.-]+)://([^/?#]*)([^?#]*)(?:\?(.*))?", re.DOTALL)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]\s]*)(?::(\d{1,5}))?")


class Url(NamedTuple):
    """The parts, decoded."""

    scheme: str
    user: str
    password: str
    hosts: tuple[str, ...]
    """Each `host:port`, in lower case, the default port written out."""
    path: str
    """Without the first slash."""
    query: Mapping[str, str]

    @property
    def where(self) -> str:
        """Hosts and path, without user and password."""
        return f"{','.join(self.hosts)}/{self.path}"


def parse(text: str, port: int) -> Url:
    """Return the parts of a URL; hosts without a port get `port`.

    ValueError when it is none, or could be read in two ways because a password in it is not percent-encoded.
    """
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise ValueError("not a URL")
    scheme, authority, path, query = (part or "" for part in shape.groups())
    credentials, at, places = authority.rpartition("@")
    if "#" in query or "@" in path or ("@" in query and not at):
        raise ValueError("a character in it must be percent-encoded")
    user, _, password = credentials.partition(":")
    hosts = tuple(_place(place, port) for place in places.split(","))
    return Url(scheme, unquote(user), unquote(password), hosts, unquote(path[1:]), dict(parse_qsl(query)))


def place_of(host: str, port: int) -> str:
    """Return a host and a port as `Url.hosts` has them."""
    return f"[{host.lower()}]:{port}" if ":" in host else f"{host.lower()}:{port}"


def _place(text: str, port: int) -> str:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValueError("a host in it is none")
    return f"{found[1].lower()}:{int(found[2] or port)}"

"""Reasoning that a caller keeps for us: text in a sealed token, which only this server's own replicas can have made."""

import hmac
import os
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NoBase64
from collections.abc import Callable

from stackwright.errors import InvalidRequest
from stackwright.storage.kv import KV
from stackwright.wire.items import Item, Reasoning, ReasoningText

_KEY = "responses/reasoning-key"
_MARK = "sw1."
_TAG_BYTES = 16


class Seals:
    """Seals and opens, with one key for all replicas: it is made when the first needs it, and kept in `kv`."""

    def __init__(self, kv: KV) -> None:
        self._kv = kv
        self._key: bytes | None = None

    async def sealer(self, tenant: str) -> Callable[[str], str]:
        """Return what seals a text for a tenant."""
        key = await self._known()
        return lambda text: _sealed(key, tenant, text)

    async def open(self, tenant: str, item: Item, param: str) -> None:
        """Put the text of a reasoning item, sealed by us for this tenant, back into it. Other items stay as they are.

        Raises:
            InvalidRequest: It was not sealed here, or for somebody else; the error's `param` is the one given.
        """
        if not isinstance(item, Reasoning) or item.encrypted_content is None:
            return
        text = _opened(await self._known(), tenant, item.encrypted_content)
        if text is None:
            raise InvalidRequest(
                f"The encrypted content for item {item.id} could not be verified. It must come from this server and be "
                "sent back unchanged.",
                param=f"{param}.encrypted_content",
                code="invalid_encrypted_content",
            )
        item.content = [ReasoningText(text=text)]

    async def _known(self) -> bytes:
        while self._key is None:
            self._key = await self._kv.get(_KEY)
            if self._key is None:
                # Whoever loses against another replica reads the winner's.
                await self._kv.compare_and_set(_KEY, None, os.urandom(32))
        return self._key


def _sealed(key: bytes, tenant: str, text: str) -> str:
    body = zlib.compress(text.encode())
    return _MARK + urlsafe_b64encode(_tag(key, tenant, body) + body).decode()


def _opened(key: bytes, tenant: str, token: str) -> str | None:
    try:
        raw = urlsafe_b64decode(token.removeprefix(_MARK).encode())
    except (NoBase64, ValueError):
        return None
    tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(key, tenant, body)):
        return None
    return zlib.decompress(body).decode()


def _tag(key: bytes, tenant: str, body: bytes) -> bytes:
    return hmac.digest(key, b"%d:%b%b" % (len(tenant.encode()), tenant.encode(), body), "sha256")[:_TAG_BYTES]

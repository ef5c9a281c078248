"""Plain keys of a Redis or Valkey server."""

from collections.abc import AsyncGenerator

from redis.asyncio import Redis

from stackwright.config.storage import RedisBackend
from stackwright.storage.foreign import readable
from stackwright.storage.kv.redis import RedisDatabase

_BATCH = 1000


class ForeignRedis:
    """See `ForeignKeys`."""

    def __init__(self, settings: RedisBackend) -> None:
        self._database = RedisDatabase(settings, name="--from")
        self._client = Redis(connection_pool=self._database.pool)
        self.address = self._database.address

    async def open(self) -> None:
        """Make sure that it is there."""
        await self._database.ping()

    async def close(self) -> None:
        """Disconnect."""
        await self._database.close()

    async def keys(self) -> AsyncGenerator[list[str], None]:
        """See `ForeignKeys`. Only strings are looked at: it keeps nothing else."""
        cursor, seen = 0, set[str]()
        while True:
            cursor, found = await self._database.call(
                self._client.execute_command, "SCAN", cursor, "COUNT", _BATCH, "TYPE", "string"
            )
            # A server that is growing may name a key twice.
            new = {key.decode(errors="replace") for key in found} - seen
            seen |= new
            yield sorted(new)
            if not cursor:
                return

    async def get(self, key: str) -> str | bytes | None:
        """See `ForeignKeys`."""
        found = await self._database.get(key)
        return None if found is None else readable(found)

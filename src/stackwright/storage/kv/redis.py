"""Key-value storage in Redis or Valkey.

A value is a string of its own, under `namespace \\x1f key`, so that the server expires it. Each namespace has an index
under `namespace \\x1f`: a sorted set of its keys, all with score 0, which Redis orders by bytes. Scripts keep the two
in step; a scan drops from the index what has expired. Everything goes with FLUSHALL, together, and starts anew.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, OutOfMemoryError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from stackwright.config.storage import RedisBackend
from stackwright.errors import StackwrightError, StorageFull, Unavailable, Unreachable
from stackwright.storage.kv import KV, Entry, Kept
from stackwright.storage.kv.keys import NAMESPACE_END, check_key, check_namespace, following, span
from stackwright.storage.renewal import Credentials, refusal

# KEYS: value, index. ARGV: member, ...
SET = """
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
"""
DELETE = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
"""
# ARGV: member, whether and what is expected, whether and what to write.
COMPARE_AND_SET = """
local found = redis.call('GET', KEYS[1])
if (found ~= false) ~= (ARGV[2] == '1') or (found and found ~= ARGV[3]) then return 0 end
if ARGV[4] == '1' then
  redis.call('SET', KEYS[1], ARGV[5])
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
else
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
"""
# KEYS: index. ARGV: low, high, limit. Returns member, value, milliseconds left (-1 for ever), member ...
SCAN = """
local found, low, wanted = {}, ARGV[1], tonumber(ARGV[3])
while #found < 3 * wanted do
  local members = redis.call('ZRANGEBYLEX', KEYS[1], low, ARGV[2], 'LIMIT', 0, wanted)
  for _, member in ipairs(members) do
    local value = redis.call('GET', KEYS[1] .. member)
    if not value then
      redis.call('ZREM', KEYS[1], member)
    elseif #found < 3 * wanted then
      found[#found + 1] = member
      found[#found + 1] = value
      found[#found + 1] = redis.call('PTTL', KEYS[1] .. member)
    end
  end
  if #members < wanted then break end
  low = '(' .. members[#members]
end
return found
"""


def options_of(settings: RedisBackend, name: str) -> dict[str, Any]:
    """Return the settings as redis-py's keyword arguments. `Unavailable` if the url is none."""
    if settings.url is not None:
        try:
            return dict(parse_url(settings.url.reveal()))
        except ValueError:
            raise not_understood(name) from None
    tls: dict[str, Any] = {"connection_class": SSLConnection} if settings.tls else {}
    password = settings.password.reveal() if settings.password else None
    return tls | {
        "host": settings.host,
        "port": settings.port,
        "db": settings.db,
        "username": settings.username,
        "password": password,
    }


def not_understood(name: str) -> Unavailable:
    """Return what to raise for a url that is none. The driver's words would quote it, password and all."""
    return Unavailable(
        f"Backend {name!r}: its url is not one for Redis, such as redis://host:port/0, or has an option that is none."
    )


class Login(CredentialProvider):
    """Who we are to the server. Every new connection asks, so that a renewed password is used by the next one."""

    def __init__(self, settings: RedisBackend, name: str) -> None:
        self._settings = settings
        self._name = name

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return `(password,)` or `(username, password)` as last read."""
        options = options_of(self._settings, self._name)
        user, password = options.get("username"), options.get("password") or ""
        return (user, password) if user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """See `get_credentials`."""
        return self.get_credentials()


class RedisDatabase:
    """One server and its bounded pool. Connections are made when needed, so it opens while the server is away."""

    broken: str | None = None

    def __init__(self, settings: RedisBackend, *, name: str) -> None:
        self.name = name
        self._credentials = Credentials(settings.url, settings.password)
        self._pool_timeout = settings.pool_timeout
        options = options_of(settings, name)
        self.address = _address(options)
        self.pool = self._pool(settings, options)
        try:
            # An option of the url that is none is found when the first connection is built.
            self.pool.connection_class(**self.pool.connection_kwargs)
        except (TypeError, ValueError):
            raise not_understood(name) from None
        self._client = Redis(connection_pool=self.pool)
        scripts = map(self._client.register_script, (SET, DELETE, COMPARE_AND_SET, SCAN))
        self.set, self.delete, self.compare_and_set, self.scan = scripts

    def _pool(self, settings: RedisBackend, options: dict[str, Any]) -> BlockingConnectionPool:
        user, password = options.pop("username", None), options.pop("password", None)
        if user or password:
            options["credential_provider"] = Login(settings, self.name)
        if settings.ca_cert_path is not None:
            options["ssl_ca_certs"] = settings.ca_cert_path
        return BlockingConnectionPool(
            **options
            | {
                "max_connections": settings.pool_size,
                "timeout": settings.pool_timeout,
                "socket_connect_timeout": settings.pool_timeout,
                "socket_timeout": settings.command_timeout,
                "decode_responses": False,
                "protocol": 2,
                # A command that was sent may have been done, so it is not sent twice. A connection that the server
                # closed is noticed, and replaced, when it leaves the pool.
                "retry": Retry(NoBackoff(), 0),
            }
        )

    async def open(self) -> None:
        """Nothing to wait for: the pool connects at first use."""

    async def close(self) -> None:
        """Close all connections."""
        await self.pool.aclose()

    async def ping(self) -> None:
        """Ask the server for a sign of life; `Unavailable` if none comes."""
        await self.call(self._client.execute_command, "PING")

    def namespace(self, namespace: str) -> KV:
        """Return a namespace of this server."""
        return RedisKV(self, check_namespace(namespace))

    async def get(self, key: str) -> bytes | None:
        """Return one value."""
        found: bytes | None = await self.call(self._client.execute_command, "GET", key)
        return found

    async def call(self, command: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run a command or a script. When the server refuses our password, read it again and try once more."""
        used = self._credentials.used()
        try:
            return await command(*args)
        except (RedisError, OSError) as error:
            if not isinstance(error, AuthenticationError) or not await self._credentials.changed(used):
                raise self._translated(error) from error
        try:
            return await command(*args)
        except (RedisError, OSError) as error:
            raise self._translated(error) from error

    async def run_all(self, script: AsyncScript, calls: Sequence[tuple[list[str], list[Any]]]) -> None:
        """Run a script with each of several keys and arguments, in one round trip."""

        async def run() -> None:
            async with self._client.pipeline(transaction=False) as pipeline:
                for keys, args in calls:
                    await script(keys, args, client=pipeline)
                await pipeline.execute()

        await self.call(run)

    def _translated(self, error: Exception) -> StackwrightError:
        backend, where = f"Backend {self.name!r}", f"Redis at {self.address}"
        match error:
            case AuthenticationError():
                return refusal(self.name, where)
            case OutOfMemoryError():
                return StorageFull(f"{backend} has no memory left: {error}")
            case RedisConnectionError() if "No connection available" in str(error):
                return Unavailable(
                    f"{backend} is busy: no connection came free within {self._pool_timeout:g} s.", code="pool_full"
                )
            case _:
                return Unreachable(self.name, f"{where} does not answer: {error}")


class RedisKV:
    """One namespace."""

    def __init__(self, database: RedisDatabase, namespace: str) -> None:
        self._database = database
        self._index = namespace + NAMESPACE_END

    async def get(self, key: str) -> bytes | None:
        """See `KV.get`."""
        return await self._database.get(self._index + check_key(key))

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """See `KV.set`."""
        await self._run(self._database.set, key, value, _milliseconds(ttl))

    async def delete(self, key: str) -> bool:
        """See `KV.delete`."""
        return await self._run(self._database.delete, key)

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None) -> bool:
        """See `KV.compare_and_set`."""
        comparison = (int(expected is not None), expected or b"", int(value is not None), value or b"")
        return await self._run(self._database.compare_and_set, key, *comparison)

    async def scan(
        self, *, prefix: str = "", start: str = "", end: str | None = None, limit: int = 1000
    ) -> Sequence[Entry]:
        """See `KV.scan`."""
        return [Entry(key, value) for key, value, _ in await self._scan(*span(prefix, start, end, limit), limit)]

    async def dump(self, *, after: str = "", limit: int = 1000) -> Sequence[Kept]:
        """See `KV.dump`."""
        return await self._scan(*span("", following(after), None, limit), limit)

    async def load(self, entries: Sequence[Kept]) -> None:
        """See `KV.load`."""
        todo = [
            ([self._index + check_key(key), self._index], [key, value, _milliseconds(ttl)])
            for key, value, ttl in entries
        ]
        await self._database.run_all(self._database.set, todo)

    async def _scan(self, low: str, high: str, limit: int) -> list[Kept]:
        found = await self._database.call(self._database.scan, [self._index], [f"[{low}", f"({high}", limit])
        return [
            Kept(key.decode(), value, None if left < 0 else left / 1000)
            for key, value, left in zip(found[::3], found[1::3], found[2::3], strict=True)
        ]

    async def _run(self, script: AsyncScript, key: str, *args: bytes | str | int) -> bool:
        keys = [self._index + check_key(key), self._index]
        return bool(await self._database.call(script, keys, [key, *args]))


def _milliseconds(ttl: float | None) -> str | int:
    return "" if ttl is None else max(1, round(ttl * 1000))


def _address(options: dict[str, Any]) -> str:
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"

"""Opening a connection to Postgres: address, TLS, and a password that may change while we run.

PgBouncer in transaction mode works from release 1.21 on with `max_prepared_statements` above 0; nothing here depends on
session state (locks are held by transactions, no connection is reset).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import asyncpg  # type: ignore[import-untyped]

from stackwright.config.storage import PostgresBackend
from stackwright.config.url import parse
from stackwright.errors import Unreachable
from stackwright.kit.system import why
from stackwright.storage.renewal import Credentials, refusal
from stackwright.storage.sql.postgres_pool import PooledConnection

_STATEMENTS_CACHED = 256
_PORT = 5432

SILENCE = 10
"""Seconds that one of our transactions may be silent before the server ends it. They are never silent on purpose; a
process that was paused in one would keep the locks on its rows, and nobody could take over its jobs."""


class Connector:
    """Opens connections as one `sql_postgres` or `kv_postgres` backend says."""

    def __init__(self, settings: PostgresBackend, *, name: str, application: str) -> None:
        self._settings = settings
        self._name = name
        self._application = application
        self._credentials = Credentials(settings.connection_string or settings.password)

    @property
    def address(self) -> str:
        """User, host, port and database, without secrets."""
        given = self._settings.connection_string
        if given is None:
            return f"{self._settings.user}@{self._settings.host}:{self._settings.port}/{self._settings.db}"
        try:
            url = parse(given.reveal(), _PORT)
        except ValueError:
            return "an address that cannot be understood"
        return f"{url.user}@{url.where}" if url.user else url.where

    async def connect(self) -> PooledConnection:
        """Open a connection; a refused password is read again from its file and tried once more."""
        used = self._credentials.used()
        try:
            return await self._attempt()
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            if not await self._credentials.changed(used):
                raise self._refused(error) from error
        try:
            return await self._attempt()
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            raise self._refused(error) from error

    def _refused(self, error: asyncpg.PostgresError) -> Unreachable:
        return refusal(self._name, self.address, error.sqlstate)

    async def _attempt(self) -> PooledConnection:
        try:
            connection: PooledConnection = await asyncpg.connect(**self._arguments())
            try:
                # Not among the startup parameters: PgBouncer refuses those that it does not know.
                await connection.execute(f"SET idle_in_transaction_session_timeout = '{SILENCE}s'")
            except BaseException:
                # Whoever waits may give up in between: nobody else knows of this connection.
                connection.terminate()
                raise
        except asyncpg.InvalidAuthorizationSpecificationError:
            raise
        except ValueError:
            # The parser's words would quote the connection string, password and all.
            raise Unreachable(self._name, self._misunderstood()) from None
        except TimeoutError as error:
            raise Unreachable(self._name, f"{self.address} does not answer.") from error
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unreachable(self._name, f"cannot connect to {self.address}: {why(error)}.") from error
        return connection

    def _misunderstood(self) -> str:
        nothing_more = "its connection settings cannot be understood."
        try:
            given = self._query()
        except ValueError:
            return nothing_more
        mode = self._settings.ssl_mode or given.get("sslmode", "")
        if mode.startswith("verify-") and self._settings.ca_cert_path is None and "sslrootcert" not in given:
            return (
                f"ssl_mode '{mode}' checks the server's certificate, and nothing says by whose authority. "
                "Set ca_cert_path, a PEM file of the authorities to trust."
            )
        return nothing_more

    def _arguments(self) -> dict[str, Any]:
        settings = self._settings
        given = self._query()
        return {
            **self._place(),
            "ssl": settings.ssl_mode or ("verify-full" if settings.ca_cert_path and "sslmode" not in given else None),
            "timeout": settings.pool_timeout,
            "command_timeout": settings.command_timeout,
            "statement_cache_size": _STATEMENTS_CACHED,
            "max_cached_statement_lifetime": 0,
            "connection_class": PooledConnection,
            "server_settings": {} if "application_name" in given else {"application_name": self._application},
        }

    def _query(self) -> Mapping[str, str]:
        given = self._settings.connection_string
        return parse(given.reveal(), _PORT).query if given else {}

    def _place(self) -> dict[str, Any]:
        settings = self._settings
        # The driver takes a certificate's path only as part of a connection string.
        certificate = f"sslrootcert={quote(settings.ca_cert_path, safe='')}" if settings.ca_cert_path else ""
        if settings.connection_string is not None:
            given = settings.connection_string.reveal()
            joint = "&" if "?" in given else "?"
            return {"dsn": given + joint + certificate if certificate else given}
        return {
            "dsn": f"postgresql://?{certificate}" if certificate else None,
            "host": settings.host,
            "port": settings.port,
            "user": settings.user,
            "password": settings.password.reveal() if settings.password else None,
            "database": settings.db,
        }

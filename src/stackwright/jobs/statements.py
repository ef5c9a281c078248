"""What a queue says to its database: every statement on the table of jobs, and how the table is made."""
# ruff: noqa: S608 - statements are put together from checked identifiers, values are bound

from collections.abc import Callable, Sequence
from typing import NamedTuple

from stackwright.storage.sql import Migration
from stackwright.storage.sql.columns import quoted

_OPEN = "state IN ('queued', 'running')"
_MINE = "seq = $1 AND fence = $2 AND state = 'running'"
# The payload goes with the work: it may hold what a caller wants kept no longer than that.
_ENDED = "ended = {now}, payload = CAST('' AS {bytes})"

_COLUMNS = (
    "seq {serial}, tenant TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL, "
    "payload {bytes} NOT NULL, owner TEXT, fence BIGINT NOT NULL, lease_until DOUBLE PRECISION NOT NULL, "
    "attempts BIGINT NOT NULL, created DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, UNIQUE (tenant, id)"
)
_ADD = (
    "INSERT INTO {table} (tenant, id, kind, state, payload, owner, fence, lease_until, attempts, created) "
    "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), 'queued', CAST($4 AS {bytes}), CAST($5 AS TEXT), 0, "
    "CASE WHEN $5 IS NULL THEN 0 ELSE {now} + $6 END, 0, {now} "
    "WHERE (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {open} AND state = 'queued' LIMIT $7) q) < $7 "
    "RETURNING seq"
)
_CLAIM = (
    "UPDATE {table} SET state = 'running', owner = $1, fence = fence + 1, attempts = attempts + 1, "
    "lease_until = {now} + $2 WHERE seq = ({oldest} {skip_locked}) "
    "RETURNING seq, tenant, id, kind, payload, fence, attempts"
)
# A job that is reserved has an owner and a lease before it is begun.
_FREE = "(lease_until <= {now} OR (state = 'queued' AND owner = $1))"
_ORPHANED = "state = 'running' AND lease_until <= {now}"
# The clock is read in a query of its own: Postgres finds no row by an index and a time that changes meanwhile.
_SWEEP = (
    "DELETE FROM {table} WHERE seq IN "
    "(SELECT seq FROM {table} WHERE ended < (SELECT {now} - $1) ORDER BY ended LIMIT $2) "
    "RETURNING tenant, id"
)


class Claims(NamedTuple):
    """How jobs of some kinds are found and taken."""

    ready: str
    """Look for one that may be begun."""
    orphaned: str
    """Look for one whose owner is gone."""
    claim: str
    """Take the first that may be begun."""
    adopt: str
    """Take the first whose owner is gone."""


class Statements:
    """The statements on one table, rendered once."""

    def __init__(self, render: Callable[[str], str], table_name: str) -> None:
        self._render = render
        self._name = table_name
        self.add = self._sql(_ADD)
        self.hold = self._sql(f"SELECT 1 FROM {{table}} WHERE {_MINE} {{lock}}")
        self.end = self._sql(f"UPDATE {{table}} SET state = $3, {_ENDED} WHERE {_MINE} RETURNING seq")
        self.cancel = self._sql(
            f"UPDATE {{table}} SET state = 'cancelled', {_ENDED} "
            "WHERE tenant = $1 AND id = $2 AND {open} RETURNING seq"
        )
        self.state = self._sql("SELECT state FROM {table} WHERE tenant = $1 AND id = $2")
        self.owned = self._sql("SELECT tenant, id, seq, fence, state FROM {table} WHERE {open} AND owner = $1")
        self.extend = self._sql("UPDATE {table} SET lease_until = {now} + $3 WHERE seq = $1 AND fence = $2 AND {open}")
        self.hand_back = self._sql(
            "UPDATE {table} SET state = 'queued', owner = NULL, lease_until = 0 "
            "WHERE {open} AND owner = $1 RETURNING seq"
        )
        self.load = self._sql("SELECT state, count(*), {now} - min(created) FROM {table} WHERE {open} GROUP BY state")
        self.sweep = self._sql(_SWEEP)

    @property
    def migrations(self) -> Sequence[Migration]:
        """Every step from nothing to the present schema."""
        steps = (
            f"CREATE TABLE {{table}} ({_COLUMNS})",
            f'CREATE INDEX "{self._name}_open" ON {{table}} (seq) WHERE {{open}}',
            f'CREATE INDEX "{self._name}_ended" ON {{table}} (ended) WHERE ended IS NOT NULL',
        )
        return [Migration(1, [self._filled(step) for step in steps])]

    def claims(self, kinds: Sequence[str]) -> Claims:
        """Return the statements that find and take jobs of some kinds."""
        wanted = ", ".join(quoted(kind).replace('"', "'") for kind in kinds)

        def oldest(free: str) -> str:
            return f"SELECT seq FROM {{table}} WHERE {{open}} AND {free} AND kind IN ({wanted}) ORDER BY seq LIMIT 1"

        looks = [oldest(free) for free in (_FREE, _ORPHANED)]
        return Claims(*map(self._sql, (*looks, *(_CLAIM.replace("{oldest}", look) for look in looks))))

    def _sql(self, sql: str) -> str:
        return self._render(self._filled(sql))

    def _filled(self, sql: str) -> str:
        return sql.replace("{table}", quoted(self._name)).replace("{open}", _OPEN)

"""The tables of prompts, and the statements that are not a typed row's."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

from collections.abc import Sequence

from stackwright.areas.prompts.rows import DraftRow, EventRow, PointerRow, PromptRow, VersionRow, json_text
from stackwright.areas.prompts.types import ListQuery
from stackwright.errors import InvalidRequest
from stackwright.storage.sql import Do, Migration, SqlBackend, Value
from stackwright.storage.sql.columns import Columns, quoted
from stackwright.storage.sql.rows import Slice, Table


class Tables:
    """All tables of one store. Methods return statements for scripts, or read."""

    def __init__(self, backend: SqlBackend, name: str) -> None:
        self.backend = backend
        self.name = name
        self.prompts = Table(backend, name, PromptRow, kind="prompt")
        self.events = Table(backend, f"{name}_events", EventRow, kind="event", indexes=[("prompt_id",)])
        self.versions = Columns(VersionRow)
        self.drafts = Columns(DraftRow)
        self.pointers = Columns(PointerRow)
        self._prompts, self._events = quoted(name), quoted(f"{name}_events")
        self._versions, self._drafts = quoted(f"{name}_versions"), quoted(f"{name}_drafts")
        self._sequence = quoted(f"{name}_sequence")
        self._one = "tenant = $1 AND prompt_id = $2"
        self._sql: dict[str, str] = {}

    @property
    def migrations(self) -> list[Migration]:
        """Every step from nothing to the present schema."""
        return [Migration(1, [*self.prompts.migrations[0].steps, *self.events.migrations[0].steps, *self._steps()])]

    def _steps(self) -> Sequence[str]:
        head = "tenant TEXT NOT NULL"
        versions = ", ".join(column.declaration for column in self.versions.columns)
        drafts = ", ".join(column.declaration for column in self.drafts.columns)
        return [
            f'CREATE UNIQUE INDEX "{self.name}_by_name" ON {self._prompts} (tenant, name)',
            f'CREATE INDEX "{self.name}_events_by_change" ON {self._events} (change)',
            f"CREATE TABLE {self._versions} ({head}, {versions}, PRIMARY KEY (tenant, prompt_id, version))",
            f"CREATE TABLE {self._drafts} ({head}, {drafts}, PRIMARY KEY (tenant, prompt_id))",
            f"CREATE TABLE {self._sequence} (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)",
            f"INSERT INTO {self._sequence} (id, value) VALUES (1, 0)",
        ]

    def _rendered(self, sql: str) -> str:
        if sql not in self._sql:
            self._sql[sql] = self.backend.render(sql)
        return self._sql[sql]

    def by_name(self, tenant: str, name: str) -> Do:
        """Select the id of the prompt of this name."""
        return Do(self._rendered(f"SELECT id FROM {self._prompts} WHERE tenant = $1 AND name = $2"), (tenant, name))

    def version(self, tenant: str, prompt_id: str, version: int) -> Do:
        """Select one version."""
        sql = f"SELECT {self.versions.listed} FROM {self._versions} WHERE {self._one} AND version = $3"
        return Do(self._rendered(sql), (tenant, prompt_id, version))

    def versions_of(self, tenant: str, prompt_id: str, *, after: int | None, descending: bool, limit: int) -> Do:
        """Select some versions by number."""
        sign, order = ("<", "DESC") if descending else (">", "ASC")
        beyond = f"AND version {sign} $4 " if after is not None else ""
        sql = (
            f"SELECT {self.versions.listed} FROM {self._versions} WHERE {self._one} {beyond}"
            f"ORDER BY version {order} LIMIT $3"
        )
        args: tuple[Value, ...] = (tenant, prompt_id, limit)
        return Do(self._rendered(sql), args if after is None else (*args, after))

    def add_version(self, tenant: str, row: VersionRow) -> Do:
        """Insert a version. The primary key is the last word on its number."""
        places = ", ".join(f"${place}" for place in range(1, len(self.versions.names) + 2))
        sql = f"INSERT INTO {self._versions} (tenant, {self.versions.listed}) VALUES ({places})"
        return Do(self._rendered(sql), (tenant, *self.versions.encode(row)))

    def yank(self, tenant: str, prompt_id: str, version: int, reason: str | None) -> Do:
        """Mark a version as not to be chosen."""
        sql = (
            f"UPDATE {self._versions} SET yanked = 1, yank_reason = $4 WHERE {self._one} AND version = $3 "
            f"RETURNING {self.versions.listed}"
        )
        return Do(self._rendered(sql), (tenant, prompt_id, version, reason))

    def latest(self, tenant: str, prompt_id: str) -> Do:
        """Select the number of the newest version that is not yanked."""
        sql = f"SELECT MAX(version) FROM {self._versions} WHERE {self._one} AND yanked = 0"
        return Do(self._rendered(sql), (tenant, prompt_id))

    def draft(self, tenant: str, prompt_id: str) -> Do:
        """Select the draft."""
        sql = f"SELECT {self.drafts.listed} FROM {self._drafts} WHERE {self._one}"
        return Do(self._rendered(sql), (tenant, prompt_id))

    def keep_draft(self, tenant: str, row: DraftRow) -> Do:
        """Insert the draft or replace it."""
        places = ", ".join(f"${place}" for place in range(1, len(self.drafts.names) + 2))
        changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in self.drafts.names[1:])
        sql = (
            f"INSERT INTO {self._drafts} (tenant, {self.drafts.listed}) VALUES ({places}) "
            f"ON CONFLICT (tenant, prompt_id) DO UPDATE SET {changes}"
        )
        return Do(self._rendered(sql), (tenant, *self.drafts.encode(row)))

    def drop_draft(self, tenant: str, prompt_id: str, revision: int | None) -> Do:
        """Delete the draft, or only that revision of it; returns one row if it was there."""
        sql = f"DELETE FROM {self._drafts} WHERE {self._one}{'' if revision is None else ' AND revision = $3'}"
        args: tuple[Value, ...] = (tenant, prompt_id)
        return Do(self._rendered(f"{sql} RETURNING revision"), args if revision is None else (*args, revision))

    def next_change(self) -> Do:
        """Take the next number of the order of changes. Whoever has it holds up the others until its commit."""
        return Do(self._rendered(f"UPDATE {self._sequence} SET value = value + 1 WHERE id = 1 RETURNING value"))

    def last_change(self) -> Do:
        """Select the number of the newest change."""
        return Do(f"SELECT value FROM {self._sequence} WHERE id = 1")

    def changed_since(self, change: int, limit: int) -> Do:
        """Select change, tenant, prompt and time of what changed after a number, in order."""
        sql = (
            f"SELECT change, tenant, prompt_id, created_at FROM {self._events} "
            f"WHERE change > $1 ORDER BY change LIMIT {int(limit)}"
        )
        return Do(self._rendered(sql), (change,))

    def everybodys(self, after: int, limit: int) -> Do:
        """Select `seq`, tenant and `pointers` of all tenants' prompts, in order of arrival."""
        sql = (
            f"SELECT seq, tenant, {self.pointers.listed} FROM {self._prompts} "
            f"WHERE seq > $1 ORDER BY seq LIMIT {int(limit)}"
        )
        return Do(self._rendered(sql), (after,))

    async def page(self, tenant: str, query: ListQuery) -> Slice[PromptRow]:
        """Return some prompts in order of arrival."""
        do, backwards = self._page(tenant, query)
        found = await self.backend.fetch(do.sql, *do.args)
        if not found:
            await self._check_cursors(tenant, query)
        rows = [self.prompts.columns.decode(row) for row in found[: query.limit]]
        if backwards:
            rows.reverse()
        return Slice(rows, len(found) > query.limit)

    async def _check_cursors(self, tenant: str, query: ListQuery) -> None:
        for param in ("after", "before"):
            cursor = getattr(query, param)
            if cursor is not None and await self.prompts.find(tenant, cursor) is None:
                raise InvalidRequest(f"No prompt with id '{cursor}' to page from.", param=param)

    def _page(self, tenant: str, query: ListQuery) -> tuple[Do, bool]:
        args: list[Value] = [tenant]
        conditions = ["tenant = $1", f"archived_at IS {'NOT NULL' if query.archived else 'NULL'}"]

        def where(condition: str, value: Value) -> None:
            args.append(value)
            conditions.append(condition.format(f"${len(args)}"))

        if query.q:
            where("searched LIKE {} ESCAPE '!'", _like(query.q))
        # REPLACE tells whether a text holds another without anybody's wildcards, in both dialects.
        if query.tag is not None:
            where("REPLACE(tags, {}, '') <> tags", json_text(query.tag))
        if query.label is not None:
            where("REPLACE(labels, {}, '') <> labels", json_text(query.label) + ":")
        ascending = query.order == "asc"
        place = f"(SELECT seq FROM {self._prompts} WHERE tenant = $1 AND id = {{}})"
        if query.after is not None:
            where(f"seq {'>' if ascending else '<'} {place}", query.after)
        if query.before is not None:
            where(f"seq {'<' if ascending else '>'} {place}", query.before)
        backwards = query.before is not None and query.after is None
        direction = "ASC" if ascending is not backwards else "DESC"
        args.append(query.limit + 1)
        sql = (
            f"SELECT {self.prompts.columns.listed} FROM {self._prompts} WHERE {' AND '.join(conditions)} "
            f"ORDER BY seq {direction} LIMIT ${len(args)}"
        )
        return Do(self._rendered(sql), tuple(args)), backwards


def _like(text: str) -> str:
    escaped = text.casefold()
    for special in "!%_":
        escaped = escaped.replace(special, "!" + special)
    return f"%{escaped}%"

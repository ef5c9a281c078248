"""The tables of prompts, and the statements that are not a typed row's."""
# ruff: noqa: S608 - statements are put together from identifiers that were checked, values are bound

import itertools
from collections.abc import Mapping, Sequence

from stackwright.areas.prompts.retention import DeletedPrompts, OldEvents
from stackwright.areas.prompts.rows import DraftRow, EventRow, PointerRow, PromptRow, StoredPrompt, VersionRow
from stackwright.storage.sql import Do, Look, Migration, Row, SqlBackend, Value, Whole
from stackwright.storage.sql.columns import Columns, quoted
from stackwright.storage.sql.rows import Table


class Tables:
    """All tables of one store. Methods return statements for scripts, or read."""

    def __init__(self, backend: SqlBackend, name: str) -> None:
        self.backend = backend
        self.name = name
        self.prompts = Table(backend, name, StoredPrompt, kind="prompt")
        self.events = Table(backend, f"{name}_events", EventRow, kind="event", indexes=[("prompt_id",)])
        self.old: list[OldEvents | DeletedPrompts] = [OldEvents(backend, name), DeletedPrompts(backend, name)]
        self.heads = Columns(PromptRow)
        self.versions = Columns(VersionRow)
        self.drafts = Columns(DraftRow)
        self.pointers = Columns(PointerRow)
        self._prompts, self._events = quoted(name), quoted(f"{name}_events")
        self._versions, self._drafts = quoted(f"{name}_versions"), quoted(f"{name}_drafts")
        self._sequence = quoted(f"{name}_sequence")
        self._render()

    def _render(self) -> None:
        """Spell out once what is asked often."""
        one, versions, render = "tenant = $1 AND prompt_id = $2", self.versions, self.backend.render
        self._by_name = render(f"SELECT id FROM {self._prompts} WHERE tenant = $1 AND name = $2")
        self._head = render(f"SELECT {self.heads.listed} FROM {self._prompts} WHERE tenant = $1 AND id = $2")
        self._version = render(f"SELECT {versions.listed} FROM {self._versions} WHERE {one} AND version = $3")
        self._add_version = render(versions.insert_into(self._versions))
        self._next_change = f"UPDATE {self._sequence} SET value = value + 1 WHERE id = 1 RETURNING value"
        self._next_changes = render(f"UPDATE {self._sequence} SET value = value + $1 WHERE id = 1 RETURNING value")
        self._like = render(
            f"SELECT {self.prompts.columns.listed} FROM {self._prompts} WHERE tenant = $1 AND (id = $2 OR name = $3)"
        )
        self._hashes = render(f"SELECT version, hash FROM {self._versions} WHERE {one}")
        self._last_change = f"SELECT value FROM {self._sequence} WHERE id = 1"
        self._one = one
        self._changes: dict[tuple[str, ...], str] = {}
        self._publications: dict[tuple[str, ...], str] = {}
        prompts, columns = self.prompts.columns.names, self.versions.names
        self._newest = {
            named: render(
                f"SELECT {_of('p', prompts)}, {_of('v', columns)} FROM {self._prompts} p JOIN {self._versions} v "
                "ON v.tenant = p.tenant AND v.prompt_id = p.id AND v.version = p.last_version "
                f"WHERE p.tenant = $1 AND p.{'name' if named else 'id'} = $2"
            )
            for named in (False, True)
        }

    @property
    def migrations(self) -> list[Migration]:
        """Every step from nothing to the present schema."""
        first = [*self.prompts.migrations[0].steps, *self.events.migrations[0].steps, *self._steps()]
        return [Migration(1, first), Migration(2, [step for old in self.old for step in old.migration(2).steps])]

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

    async def find(self, tenant: str, prompt_id: str) -> PromptRow | None:
        """Return a prompt, a deleted one too, or None."""
        found = await self.backend.fetch(self._head, tenant, prompt_id)
        return self.heads.decode(found[0]) if found else None

    def change(self, tenant: str, prompt_id: str, fields: Mapping[str, Value]) -> Do:
        """Set columns of a prompt."""
        names = tuple(fields)
        if names not in self._changes:
            changes = ", ".join(f"{quoted(name)} = ${place}" for place, name in enumerate(names, 3))
            self._changes[names] = self.backend.render(
                f"UPDATE {self._prompts} SET {changes} WHERE tenant = $1 AND id = $2"
            )
        return Do(self._changes[names], (tenant, prompt_id, *fields.values()))

    def by_name(self, tenant: str, name: str) -> Do:
        """Select the id of the prompt of this name."""
        return Do(self._by_name, (tenant, name))

    def like(self, tenant: str, prompt_id: str, name: str | None) -> Do:
        """Select the prompts that have this id or this name."""
        return Do(self._like, (tenant, prompt_id, name))

    def hashes(self, tenant: str, prompt_id: str) -> Do:
        """Select number and hash of every version."""
        return Do(self._hashes, (tenant, prompt_id))

    def version(self, tenant: str, prompt_id: str, version: int) -> Do:
        """Select one version."""
        return Do(self._version, (tenant, prompt_id, version))

    def versions_of(self, tenant: str, prompt_id: str, *, after: int | None, descending: bool, limit: int) -> Do:
        """Select some versions by number."""
        sign, order = ("<", "DESC") if descending else (">", "ASC")
        beyond = f"AND version {sign} $4 " if after is not None else ""
        sql = (
            f"SELECT {self.versions.listed} FROM {self._versions} WHERE {self._one} {beyond}"
            f"ORDER BY version {order} LIMIT $3"
        )
        args: tuple[Value, ...] = (tenant, prompt_id, limit)
        return Do(self.backend.render(sql), args if after is None else (*args, after))

    def add_version(self, tenant: str, row: VersionRow) -> Do:
        """Insert a version. The primary key is the last word on its number."""
        return Do(self._add_version, (tenant, *self.versions.encode(row)))

    def newest(self, tenant: str, reference: str, *, named: bool) -> Do:
        """Select a prompt together with its newest version, for `with_version`."""
        return Look(self._newest[named], (tenant, reference))

    def with_version(self, row: Row) -> tuple[StoredPrompt, VersionRow]:
        """Decode what `newest` selects."""
        width = len(self.prompts.columns.names)
        return self.prompts.columns.decode(row[:width]), self.versions.decode(row[width:])

    def publish(
        self, tenant: str, revision: int, fields: Mapping[str, Value], version: VersionRow, event: EventRow
    ) -> Do:
        """Add a version and tell of it, if the prompt is at that revision still; returns one row if it was. The
        change's number is taken here. For a database that is `compound`."""
        names = tuple(fields)
        if names not in self._publications:
            self._publications[names] = self._publication(names)
        head = (tenant, version.prompt_id, revision)
        told = [getattr(event, name) for name in self.events.columns.names if name != "change"]
        return Whole(self._publications[names], (*head, *fields.values(), *self.versions.encode(version), *told))

    def _publication(self, names: Sequence[str]) -> str:
        places = itertools.count(4)
        changes = ", ".join(f"{quoted(name)} = ${next(places)}" for name in names)
        version = ", ".join(f"${next(places)}" for _ in self.versions.names)
        told = self.events.columns
        event = ", ".join("changed.number" if name == "change" else f"${next(places)}" for name in told.names)
        # The prompt waits for the number, as every change does: in another order two changes could lock each other out.
        return self.backend.render(
            f"WITH turn AS ({self._next_change}), changed AS ("
            f"UPDATE {self._prompts} SET {changes} FROM turn WHERE tenant = $1 AND id = $2 AND revision = $3 "
            "RETURNING turn.value AS number), "
            f"added AS (INSERT INTO {self._versions} (tenant, {self.versions.listed}) "
            f"SELECT $1, {version} FROM changed) "
            f"INSERT INTO {self._events} (tenant, {told.listed}) SELECT $1, {event} FROM changed RETURNING id"
        )

    def yank(self, tenant: str, prompt_id: str, version: int, reason: str | None) -> Do:
        """Mark a version as not to be chosen."""
        sql = (
            f"UPDATE {self._versions} SET yanked = 1, yank_reason = $4 WHERE {self._one} AND version = $3 "
            f"RETURNING {self.versions.listed}"
        )
        return Do(self.backend.render(sql), (tenant, prompt_id, version, reason))

    def latest(self, tenant: str, prompt_id: str) -> Do:
        """Select the number of the newest version that is not yanked."""
        sql = f"SELECT MAX(version) FROM {self._versions} WHERE {self._one} AND yanked = 0"
        return Do(self.backend.render(sql), (tenant, prompt_id))

    def draft(self, tenant: str, prompt_id: str) -> Do:
        """Select the draft."""
        sql = f"SELECT {self.drafts.listed} FROM {self._drafts} WHERE {self._one}"
        return Do(self.backend.render(sql), (tenant, prompt_id))

    def keep_draft(self, tenant: str, row: DraftRow) -> Do:
        """Insert the draft or replace it."""
        changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in self.drafts.names[1:])
        sql = f"{self.drafts.insert_into(self._drafts)} ON CONFLICT (tenant, prompt_id) DO UPDATE SET {changes}"
        return Do(self.backend.render(sql), (tenant, *self.drafts.encode(row)))

    def drop_draft(self, tenant: str, prompt_id: str, revision: int | None) -> Do:
        """Delete the draft, or only that revision of it; returns one row if it was there."""
        sql = f"DELETE FROM {self._drafts} WHERE {self._one}{'' if revision is None else ' AND revision = $3'}"
        args: tuple[Value, ...] = (tenant, prompt_id)
        do = f"{sql} RETURNING revision"
        return Do(self.backend.render(do), args if revision is None else (*args, revision))

    def next_change(self, count: int = 1) -> Do:
        """Take the next numbers of the order of changes; returns the last. Whoever has them holds up the others until
        its commit."""
        return Do(self._next_change) if count == 1 else Do(self._next_changes, (count,))

    def last_change(self) -> Do:
        """Select the number of the newest change."""
        return Do(self._last_change)

    def changed_since(self, change: int, limit: int) -> Do:
        """Select change, tenant, prompt and time of what changed after a number, in order."""
        sql = (
            f"SELECT change, tenant, prompt_id, created_at FROM {self._events} "
            f"WHERE change > $1 ORDER BY change LIMIT {int(limit)}"
        )
        return Do(self.backend.render(sql), (change,))

    def everybodys(self, after: int, limit: int) -> Do:
        """Select `seq`, tenant and `pointers` of all tenants' prompts, in order of arrival."""
        sql = (
            f"SELECT seq, tenant, {self.pointers.listed} FROM {self._prompts} "
            f"WHERE seq > $1 ORDER BY seq LIMIT {int(limit)}"
        )
        return Do(self.backend.render(sql), (after,))


def _of(table: str, names: Sequence[str]) -> str:
    return ", ".join(f"{table}.{quoted(name)}" for name in names)

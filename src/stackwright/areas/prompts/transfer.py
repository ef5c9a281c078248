"""Import and export: prompts with their ids and the numbers of their versions."""

from stackwright.areas.prompts import shown
from stackwright.areas.prompts.failures import UnknownPrompt
from stackwright.areas.prompts.importing import Importing, Rehearsed, prepared
from stackwright.areas.prompts.ledger import Ledger, Who
from stackwright.areas.prompts.memory import Memory
from stackwright.areas.prompts.portable import (
    Export,
    ExportedPrompt,
    ExportedVersion,
    ExportQuery,
    Import,
    ImportResult,
)
from stackwright.areas.prompts.rows import PromptRow, VersionRow
from stackwright.areas.prompts.spec import unpacked
from stackwright.areas.prompts.tables import Tables

_PAGE = 1000


class Transfer:
    """Takes prompts in and gives them out."""

    def __init__(self, tables: Tables, ledger: Ledger, memory: Memory) -> None:
        self._tables = tables
        self._importing = Importing(ledger)
        self._memory = memory

    async def export(self, tenant: str, query: ExportQuery) -> Export:
        """Return one prompt, or a page of all of them, deleted ones included, in order of arrival."""
        if query.prompt is None:
            found = await self._tables.prompts.page(tenant, limit=query.limit, after=query.after, order="asc")
            return Export.of([await self._exported(tenant, row) for row in found.rows], has_more=found.has_more)
        one = await self._memory.find(tenant, query.prompt)
        if one is None:
            raise UnknownPrompt(query.prompt)
        return Export.of([await self._exported(tenant, one)], has_more=False)

    async def _exported(self, tenant: str, row: PromptRow) -> ExportedPrompt:
        return ExportedPrompt(
            id=row.id,
            name=row.name,
            description=row.description,
            tags=row.tag_list,
            metadata=row.pairs,
            default_version=row.default_version,
            default_policy=shown.policy(row),
            labels=row.label_versions,
            archived_at=row.archived_at,
            created_at=row.created_at,
            versions=[_exported(version) for version in await self._versions(tenant, row.id)],
        )

    async def _versions(self, tenant: str, prompt_id: str) -> list[VersionRow]:
        rows: list[VersionRow] = []
        while True:
            after = rows[-1].version if rows else None
            do = self._tables.versions_of(tenant, prompt_id, after=after, descending=False, limit=_PAGE)
            found = await self._tables.backend.fetch(do.sql, *do.args)
            rows += [self._tables.versions.decode(one) for one in found]
            if len(found) < _PAGE:
                return rows

    async def take(self, who: Who, body: Import) -> ImportResult:
        """Import prompts, all of them or none. With `dry_run` none, but say what would come of it.

        Raises:
            InvalidRequest: Something in the file does not fit together.
            Settled: Something does not fit with what is here. The message says everything that does not.
        """
        ready = [prepared(one, place) for place, one in enumerate(body.data)]
        try:
            taken = await self._tables.backend.transact(lambda: self._importing.take(who, ready, rehearse=body.dry_run))
        except Rehearsed as rehearsed:
            return ImportResult(data=rehearsed.results, dry_run=True)
        for one in taken:
            self._memory.apply(who.tenant, one.row)
        return ImportResult(data=[one.result for one in taken])


def _exported(row: VersionRow) -> ExportedVersion:
    return ExportedVersion(
        version=row.version,
        hash=row.hash,
        parent_version=row.parent_version,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
        yanked=row.yanked,
        yank_reason=row.yank_reason,
        spec=unpacked(row.spec),
    )

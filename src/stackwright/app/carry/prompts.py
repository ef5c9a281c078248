"""Prompts, from Llama Stack's keys or rows into ours, with their ids, versions and defaults."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from itertools import groupby
from typing import Any

from msgspec import Struct

from stackwright.app.carry.layouts import Found
from stackwright.app.carry.report import Checksum, Report, Tally, Why
from stackwright.app.carry.values import Unfit, loads, named, seconds, text
from stackwright.areas.prompts import ExportQuery, Import, ImportedPrompt, ImportedVersion, Prompts, Who
from stackwright.errors import InvalidRequest
from stackwright.storage.foreign import ForeignKeys, ForeignRows
from stackwright.storage.sql import Row

_ACTOR = "migrate data"
_DIGITS = 20
"""What no number of a version has more of."""
DIFFERENT = "another prompt has this id, or other texts or another default"


class Content(Struct):
    """What of a prompt Llama Stack knows."""

    id: str
    default: int
    texts: list[tuple[int, str | None]]


async def from_keys(
    source: ForeignKeys, prompts: Mapping[str, Mapping[str, str]]
) -> AsyncGenerator[ImportedPrompt | Why, None]:
    """Return the prompts among some keys. A key-value store does not know when they were made."""
    for prompt, keys in sorted(prompts.items()):
        try:
            default = await source.get(keys["default"]) if "default" in keys else None
            versions = []
            for number in sorted((one for one in keys if one != "default"), key=_number):
                value = loads(await source.get(keys[number]), f"version {number}")
                versions.append(ImportedVersion(version=_number(number), prompt=_text(value)))
            yield _prompt(prompt, versions, None if default is None else _number(text(default, "default")))
        except Unfit as error:
            yield Why(prompt, str(error))


async def from_rows(source: ForeignRows, table: Found) -> AsyncGenerator[ImportedPrompt | Why, None]:
    """Return the prompts of a table."""
    sql = (
        "SELECT prompt_id, version, is_default, created_at, prompt_data "  # noqa: S608 - it is quoted
        f"FROM {table.quoted} ORDER BY prompt_id, version"
    )
    rows = [row async for batch in source.batches(sql) for row in batch]
    for prompt, group in groupby(rows, key=lambda row: row[0]):
        try:
            yield _from(text(prompt, "id"), list(group))
        except Unfit as error:
            yield Why(named(prompt), str(error))


def _from(id: str, rows: list[Row]) -> ImportedPrompt:
    versions = [
        ImportedVersion(
            version=_number(str(number)), prompt=_text(loads(data, "prompt_data")), created_at=seconds(at, "time")
        )
        for _, number, _, at, data in rows
    ]
    default = next((_number(str(row[1])) for row in rows if row[2]), None)
    made = _prompt(id, versions, default)
    made.created_at = versions[0].created_at
    return made


def _number(written: str) -> int:
    if not written.isdecimal() or len(written) > _DIGITS:
        raise Unfit(f"'{written[:40]}' is no number of a version")
    return int(written)


def _text(value: Any) -> str:
    if not isinstance(value, dict):
        raise Unfit("one of its versions is no object")
    return text(value.get("prompt"), "text")


def _prompt(id: str, versions: list[ImportedVersion], default: int | None) -> ImportedPrompt:
    if not versions:
        raise Unfit("it has a default, and no version")
    numbers = [one.version for one in versions]
    if default is not None and default not in numbers:
        raise Unfit(f"its default is version {default}, which is not there")
    return ImportedPrompt(id=id, versions=versions, default_version=max(numbers) if default is None else default)


class Shelf:
    """Our prompts."""

    def __init__(self, prompts: Prompts, tenant: str, *, made: bool) -> None:
        """`made` is False while our tables are not there."""
        self._prompts = prompts
        self._made = made
        self._who = Who(tenant, _ACTOR, "")

    async def carry(self, found: Iterable[ImportedPrompt | Why], where: str, report: Report) -> None:
        """Import those that are not there."""
        tally = Tally("prompts", where)
        report.tallies.append(tally)
        carried: list[Content] = []
        for one in found:
            tally.rows += 1
            if isinstance(one, Why):
                tally.refused.append(one)
                continue
            try:
                carried += await self._take(one, tally, dry_run=report.dry_run)
            except InvalidRequest as error:
                tally.refused.append(Why(one.id, error.message))
        for content in carried:
            tally.read.add(content)
        if not report.dry_run:
            tally.kept = await self._read_back(carried)

    async def _take(self, one: ImportedPrompt, tally: Tally, *, dry_run: bool) -> list[Content]:
        content = _content(one)
        kept = await self._kept(one.id, content)
        if kept is None:
            if not dry_run:
                await self._prompts.transfer.take(self._who, Import(data=[one]))
            tally.new += 1
        elif kept != content:
            tally.conflicts.append(Why(one.id, DIFFERENT))
            return []
        else:
            tally.present += 1
        return [content]

    async def _kept(self, id: str, carried: Content) -> Content | None:
        """Return of a prompt that is there the versions that were carried; None when it is not there."""
        if not self._made:
            return None
        try:
            exported = await self._prompts.transfer.export(self._who.tenant, ExportQuery(prompt=id))
        except InvalidRequest:
            return None
        (one,) = exported.data
        numbers = {number for number, _ in carried.texts}
        texts = [(each.version, each.spec.instructions) for each in one.versions if each.version in numbers]
        return Content(one.id, one.default_version, sorted(texts))

    async def _read_back(self, carried: Iterable[Content]) -> Checksum:
        total = Checksum()
        for content in carried:
            kept = await self._kept(content.id, content)
            if kept is not None:
                total.add(kept)
        return total


def _content(one: ImportedPrompt) -> Content:
    return Content(one.id, one.default_version or 0, sorted((each.version, each.prompt) for each in one.versions))

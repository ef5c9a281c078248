"""Registered models, from Llama Stack's registry into ours."""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from stackwright.app.carry.report import Checksum, Left, Report, Tally, Why
from stackwright.app.carry.values import Unfit, loads
from stackwright.areas.models import Registration, Registry
from stackwright.storage.foreign import ForeignKeys

_registration = msgspec.json.Decoder(Registration).decode
_encode = msgspec.json.Encoder().encode
_OFFERED = "listed_from_provider"
TOLD_AGAIN = "their provider lists them, and is asked at every start"
DECLARED = "the new run file registers them"
DIFFERENT = "another registration has this id"


class Models:
    """The models of one place."""

    def __init__(
        self, registry: Registry, providers: Collection[str], declared: Collection[str], *, made: bool
    ) -> None:
        """`providers` are those of the new run file that serve models, `declared` the models that it registers; `made`
        is False while our table is not there."""
        self._made = made
        self._registry = registry
        self._providers = providers
        self._declared = declared

    async def carry(self, source: ForeignKeys, keys: list[str], tenant: str, report: Report) -> None:
        """Register those that are not registered yet."""
        tally = Tally("models", source.address, rows=len(keys))
        report.tallies.append(tally)
        kept = await self._kept(tenant)
        carried: list[Registration] = []
        for key in keys:
            try:
                one = self._read(loads(await source.get(key), "value"), report, tally)
            except Unfit as error:
                tally.refused.append(Why(key, str(error)))
                continue
            if one is not None and self._counted(one, kept, tally):
                carried.append(one)
        if report.dry_run:
            return
        for one in carried:
            if one.model_id not in kept:
                await self._registry.put(tenant, one)
        await self._verify(tenant, carried, tally)

    async def _kept(self, tenant: str) -> Mapping[str, Registration]:
        everything = await self._registry.everything() if self._made else {}
        return {one.registration.model_id: one.registration for one in everything.get(tenant, [])}

    def _read(self, value: Any, report: Report, tally: Tally) -> Registration | None:
        """Return a registration; None, and it is reported, when there is no need of one."""
        if not isinstance(value, dict):
            raise Unfit("its value is no object")
        name, provider = value.get("identifier"), value.get("provider_id")
        why = TOLD_AGAIN if value.get("source") == _OFFERED else DECLARED if name in self._declared else None
        if why is not None:
            tally.rows -= 1
            _leave(report, tally.where, why)
            return None
        if provider not in self._providers:
            raise Unfit(f"the new run file has no inference provider '{provider}'")
        tally.owned += bool(value.get("owner"))
        given = {
            "model_id": name,
            "provider_id": provider,
            "provider_model_id": value.get("provider_resource_id"),
            "model_type": value.get("model_type") or "llm",
            "metadata": value.get("metadata") or {},
        }
        try:
            return _registration(_encode(given))
        except msgspec.ValidationError as error:
            raise Unfit(str(error)) from None

    def _counted(self, one: Registration, kept: Mapping[str, Registration], tally: Tally) -> bool:
        there = kept.get(one.model_id)
        if there is not None and there != one:
            tally.conflicts.append(Why(one.model_id, DIFFERENT))
            return False
        tally.new += there is None
        tally.present += there is not None
        tally.read.add(one)
        return True

    async def _verify(self, tenant: str, carried: list[Registration], tally: Tally) -> None:
        kept = await self._kept(tenant)
        tally.kept = Checksum()
        for one in carried:
            if one.model_id in kept:
                tally.kept.add(kept[one.model_id])


def _leave(report: Report, where: str, why: str) -> None:
    for place, left in enumerate(report.left):
        if (left.what, left.where, left.why) == ("models", where, why):
            report.left[place] = Left("models", where, left.rows + 1, why)
            return
    report.left.append(Left("models", where, 1, why))

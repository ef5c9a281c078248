"""`retention`: a length of time that somebody acts on, or a complaint."""

import jsonschema
import pytest

from stackwright.app.stores import sweeps
from stackwright.config.schema import json_schema
from stackwright.config.storage import StoreReference
from stackwright.storage.backends import NamedBackends
from tests.config.files import TYPES, complaints, minimal, read

EVERY = ("inference", "conversations", "responses", "prompts")


def with_stores(settings: str) -> str:
    """Return a run file with settings for stores from line 7 on."""
    return minimal(f"  stores:\n    {settings}\n")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45.0), ("10m", 600.0), ("36h", 129_600.0), ("30d", 2_592_000.0), ("52w", 31_449_600.0)],
)
def test_it_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    run = read(with_stores(f"inference: {{backend: sql_default, retention: {text}}}"))
    assert run.storage.stores.inference.seconds == seconds
    assert run.storage.stores.responses.seconds is None


@pytest.mark.parametrize("text", ["30 days", "30", "0d", "-1d", "1.5d", "30D", "''", "1y", "true"])
def test_anything_else_is_a_complaint_at_its_place(text: str) -> None:
    (found,) = complaints(with_stores(f"inference: {{backend: sql_default, retention: {text}}}"))
    assert found.startswith("run.yaml:7:50  storage.stores.inference.retention")
    assert "must be a number and s, m, h, d or w, such as 30d" in found


def test_an_editor_is_told() -> None:
    schema = json_schema(TYPES)

    def fits(text: str) -> bool:
        stores = {"inference": {"backend": "sql_default", "retention": text}}
        backends = {"sql_default": {"type": "sql_sqlite", "db_path": "a.db"}}
        document = {"version": 2, "storage": {"backends": backends, "stores": stores}}
        return jsonschema.Draft202012Validator(schema).is_valid(document)

    assert [fits(text) for text in ("30d", "${env.RETENTION:=30d}", "30 days", "0d")] == [True, True, False, False]


def test_every_store_takes_one() -> None:
    run = read(
        with_stores(
            "{metadata: {backend: kv_default, namespace: a, retention: 1d}, inference: {backend: sql_default, "
            "retention: 2d}, conversations: {backend: sql_default, table_name: b, retention: 3d}, responses: {backend: "
            "sql_default, table_name: c, retention: 4d}, prompts: {backend: sql_default, table_name: d, retention: 5d}}"
        )
    )
    assert [reference.seconds for _, reference in run.storage.stores] == [days * 86_400.0 for days in range(1, 6)]


async def test_every_store_that_takes_one_has_somebody_who_removes(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = read(minimal().replace("/nowhere", str(tmp_path_factory.mktemp("stores"))))
    names = [name for name, reference in run.storage.stores if isinstance(reference, StoreReference)]
    assert sorted(names) == sorted(EVERY)
    assert all(sweeps(name, run, NamedBackends(run.storage)) for name in names)

"""What holds for every old run file: the connections stay, and nothing of the file is lost."""

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stackwright.config.env import Substitution
from stackwright.config.runfile import RunFile
from stackwright.config.secret import Secret
from stackwright.config.storage import KVReference, SqlReference
from tests.config.migrate.files import PAIRS, load, migrated

ENVIRON = {
    "HOST": "zq-host",
    "PORT": "7777",
    "PW": "zq-password",
    "DIR": "/zq/data",
    "PG_URL": "http://zq:8000",
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "postgres": {"host": "localhost", "port": 5432, "db": "llamastack", "user": None, "password": None},
    "redis": {"host": "localhost", "port": 6379},
    "mongodb": {"host": "localhost", "port": 27017, "db": "llamastack", "user": None, "password": None},
}

hosts = st.sampled_from(["db", "localhost", "${env.HOST}", "${env.HOST:=db}", "${env.ABSENT:=db}"])
passwords = st.sampled_from(["'123456'", '"${env.PW}"', "${env.PW:=x}", "secret"])
folders = st.sampled_from(["/a/", "~/b/", "${env.DIR}/", "${env.DIR:=/c/d}/", "${env.DIR}/sub/", "", "./"])


def ports(default: int) -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, str(default), f"'{default}'", "9999", "${env.PORT}", f"${{env.ABSENT:={default}}}"])


@st.composite
def connections(draw: st.DrawFn, *drivers: str) -> dict[str, str]:
    driver = draw(st.sampled_from(drivers))
    if driver == "sqlite":
        return {"type": driver, "db_path": draw(folders) + draw(st.sampled_from(["one.db", "two.db", "kvstore.db"]))}
    fields = {"type": driver, "host": draw(hosts), "port": draw(ports(DEFAULTS[driver]["port"]))}
    if driver != "redis":
        fields |= {"db": draw(st.sampled_from([None, "llamastack", "app"])), "user": "app", "password": draw(passwords)}
    return {name: value for name, value in fields.items() if value is not None}


rows = connections("sqlite", "postgres")
keys = connections("sqlite", "postgres", "redis", "mongodb")


def written(connection: dict[str, str], indent: int, mark: str) -> str:
    """Return a connection as block YAML with a comment on each of its lines."""
    pad = " " * indent
    return "".join(f"{pad}{name}: {value}  # {mark} {name}\n" for name, value in connection.items())


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[str, dict[str, str]]]:
    """An old file, and the connection of each store and provider in it."""
    places: dict[str, dict[str, str]] = {}
    text = "version: 2\nimage_name: law\nproviders:\n  vector_io:\n"
    for at in range(draw(st.integers(1, 3))):
        places[f"chroma{at}"] = draw(keys)
        text += f"    # about chroma{at}\n    - provider_id: chroma{at}\n      provider_type: remote::chromadb\n"
        text += "      config:\n        url: ${env.PG_URL}\n        kvstore:  # its list\n"
        text += written(places[f"chroma{at}"], 10, f"chroma{at}")
    for store in draw(st.permutations(["metadata", "inference", "conversations", "responses", "prompts"])):
        if not draw(st.booleans()):
            continue
        places[store] = draw(keys if store == "metadata" else rows)
        wrapped = store == "inference" and draw(st.booleans())
        text += f"\n# about {store}\n{store}_store:\n" + ("  sql_store_config:\n" if wrapped else "")
        text += written(places[store], 4 if wrapped else 2, store) + ("  num_writers: 3\n" if wrapped else "")
    return text, places


def resolved(connection: dict[str, str]) -> tuple[Any, ...]:
    """Return where an old connection leads: address and credentials, for SQLite the folder."""
    substitute = Substitution(ENVIRON, Path())
    driver = connection["type"]
    values = {name: substitute(value.strip("'\"")) for name, value in connection.items()}
    if driver == "sqlite":
        return (driver, str(Path(values["db_path"]).parent))
    return (driver, *(str(values.get(name) or default) for name, default in DEFAULTS[driver].items()))


def leads(run: RunFile, reference: KVReference | SqlReference) -> tuple[Any, ...]:
    """Return the same of a backend of the new file."""
    backend = run.storage.backends[reference.backend]
    driver = backend.type.partition("_")[2]
    if driver == "sqlite":
        return (driver, str(Path(getattr(backend, "db_path")).parent))  # noqa: B009 - one class of the union has it
    fields = [getattr(backend, name) for name in DEFAULTS[driver]]
    return (driver, *(str(field.reveal() if isinstance(field, Secret) else field) for field in fields))


def references(run: RunFile) -> dict[str, KVReference | SqlReference]:
    found: dict[str, KVReference | SqlReference] = {
        name: getattr(run.storage.stores, name) for name in type(run.storage.stores).model_fields
    }
    for entry in run.providers.get("vector_io", ()):
        found[entry.provider_id] = entry.config.persistence
    return found


few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(files())
def test_every_store_and_provider_is_connected_as_it_was(
    tmp_path: Path, file: tuple[str, dict[str, dict[str, str]]]
) -> None:
    text, places = file
    run = load(migrated(text).text, tmp_path, ENVIRON)
    found = references(run)
    if "conversations" in places and "responses" in places:
        # One transaction writes to both, so the old file's second database is left to whoever reads the report.
        places["responses"] = places["conversations"]
    assert {name: leads(run, found[name]) for name in places} == {
        name: resolved(connection) for name, connection in places.items()
    }


@few
@given(files())
def test_each_connection_is_declared_once_for_each_family(file: tuple[str, dict[str, dict[str, str]]]) -> None:
    text, _ = file
    declared = re.findall(r"^    \w+:\n((?:      .*\n)+)", migrated(text).text.partition("stores:")[0], re.MULTILINE)
    bare = [re.sub(r" +#.*", "", block) for block in declared]
    assert len(bare) == len(set(bare))


@few
@given(files(), st.booleans())
def test_migrating_twice_changes_nothing(file: tuple[str, Any], storage_only: bool) -> None:
    once = migrated(file[0], storage_only=storage_only)
    assert once.was_old
    assert migrated(once.text, storage_only=storage_only).text == once.text


@few
@given(files(), st.booleans())
def test_no_comment_is_lost_and_nothing_is_resolved(file: tuple[str, Any], storage_only: bool) -> None:
    text, _ = file
    new = migrated(text, storage_only=storage_only).text
    assert set(re.findall(r"# about \w+", new)) == set(re.findall(r"# about \w+", text))
    assert set(re.findall(r"\$\{[^}]*\}", new)) <= set(re.findall(r"\$\{[^}]*\}", text))
    assert "zq" not in new
    marks = re.findall(r"# (?!about)\w+ (?!type)\w+", text)
    assert [mark for mark in marks if mark not in new] == []


@few
@given(st.sampled_from(PAIRS), st.randoms(use_true_random=False), st.booleans())
def test_a_damaged_file_is_migrated_once_or_refused(pair: Path, chance: Random, storage_only: bool) -> None:
    document = YAML(typ="safe").load((pair / "before.yaml").read_text())
    for _ in range(3):
        places = list(nodes(document))
        container, key = chance.choice(places)
        container[key] = chance.choice(
            [None, "x", 3, [], {}, [None], {"type": "sqlite"}, {"backend": "b"}, {"type": []}]
        )
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(document, stream)
    once = migrated(stream.getvalue(), storage_only=storage_only)
    assert migrated(once.text, storage_only=storage_only).text == once.text


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place below a value, as what it is in and under which key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(pairs):
        yield value, key
        yield from nodes(child)


def test_stores_without_a_name_find_a_place_where_no_backend_is_the_default(tmp_path: Path) -> None:
    text = """version: 2
responses_store: {type: sqlite, db_path: /a/one.db}
conversations_store: {type: sqlite, db_path: ~/b/one.db}
prompts_store: {type: sqlite, db_path: /c/one.db}
"""
    run = load(migrated(text).text, tmp_path, ENVIRON)
    assert run.storage.stores.inference.backend in run.storage.backends

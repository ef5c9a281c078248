"""What the docs say is what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

import stackwright.app.wiring  # noqa: F401 - knows everyone, and so every metric
from stackwright.config.load import loads
from stackwright.config.runfile import RunFile
from stackwright.providers.registry import TYPES
from tests.house import reference
from tests.house.pages import PAGES, WRITTEN, Block, anchors, blocks, links, name
from tests.house.reader import Reader
from tests.house.sources import ROOT
from tests.running import RunningServer
from tests.servers import PostgresServer

STORAGE = """
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: kv.db}
    sql_default: {type: sql_sqlite, db_path: sql.db}
"""
ENVIRON = {
    "CHROMADB_URL": "http://localhost:8000",
    "OPENAI_API_KEY": "sk-of-the-docs",
    "POSTGRES_DB": "foo",
    "POSTGRES_HOST": "localhost",
    "POSTGRES_PASSWORD": "123456",
    "POSTGRES_PORT": "5432",
    "POSTGRES_USER": "foo",
    "RED_KEY": "sk-red",
    "BLUE_KEY": "sk-blue",
    "VLLM_URL": "http://localhost:8000/v1",
}
YAML_BLOCKS = [block for page in PAGES for block in blocks(page) if block.language == "yaml" and not block.title]
RUNNING = ROOT / "docs" / "guides" / "running.md"
WALKED = [page for page in WRITTEN if blocks(page)]


def test_the_reference_is_up_to_date() -> None:
    assert reference.written() == reference.pages(), "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for address in links(page):
        path, _, anchor = address.partition("#")
        if "://" in path:
            continue
        target = page.parent / path if path else page
        assert target.exists(), address
        assert not anchor or anchor in anchors(target), address


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=lambda block: block.place)
def test_yaml_loads(block: Block, tmp_path: Path) -> None:
    loaded = YAML(typ="safe").load(block.text)
    assert isinstance(loaded, dict)
    if not loaded.keys() <= RunFile.model_fields.keys():
        return  # Somebody else's file, such as Prometheus's.
    text = block.text if "storage" in loaded else block.text + STORAGE
    for secret in re.findall(r"\$\{file:/run/secrets/([\w-]+)", text):
        (tmp_path / secret).write_text("redis://cache.internal" if secret == "redis-url" else "sk-in-a-file")
    text = text.replace("/run/secrets/", f"{tmp_path}/")
    loads(text if "version" in loaded else f"version: 2\n{text}", environ=ENVIRON, types=TYPES)


@pytest.fixture
def reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_server: PostgresServer, postgres_db: str
) -> Iterator[Reader]:
    monkeypatch.setenv("HOME", str(tmp_path))
    server = postgres_server
    address = {"HOST": server.host, "PORT": str(server.port), "DB": postgres_db, "USER": server.user}
    environ = {f"POSTGRES_{key}": value for key, value in address.items()}
    aliases = {f"{server.user}@{server.host}:{server.port}/{postgres_db}": "stackwright@localhost:5432/stackwright"}
    environ |= {"POSTGRES_PASSWORD": server.password, "CHROMADB_URL": ENVIRON["CHROMADB_URL"]}
    reader = Reader(tmp_path, environ, aliases)
    yield reader
    reader.close()


@pytest.mark.parametrize("page", WALKED, ids=name)
def test_a_reader_sees_what_the_page_shows(page: Path, reader: Reader) -> None:
    for block in blocks(page):
        try:
            reader.do(block)
        except Exception as error:
            error.add_note(block.place)
            raise


def test_the_readme_names_every_api_that_is_there(tmp_path: Path) -> None:
    with RunningServer(tmp_path, None) as server:
        paths = server.get("/openapi.json").json["paths"]
    there = re.findall(r"^\|(.+)\| there", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = set(re.findall(r"`(/[\w/]+)`", "".join(there)))
    assert {path for path in paths if not path.startswith(tuple(named))} == set(), "say so in the README"
    assert {
        name for name in named if name.startswith("/v1/") and not any(path.startswith(name) for path in paths)
    } == set()


def test_every_metric_is_documented() -> None:
    served = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("stackwright_")}
    documented = re.findall(r"^\| `(stackwright_\w+?)(?:_total)?` \|", RUNNING.read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(served)

"""The folder is the registry: what is in it, what is imported when, and what other packages add."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from stackwright import providers
from stackwright.cli import main
from stackwright.config.load import loads
from stackwright.config.section import Section
from stackwright.errors import MissingExtra
from stackwright.providers import describe
from stackwright.providers.inference.config import Config
from stackwright.providers.inference.presets import PRESETS
from stackwright.providers.provider import Provider
from stackwright.providers.registry import TYPES, BrokenProvider, Types, opened, type_of

OURS = {"inline::llama-cpp", "inline::wordllama", "inline::scripted", "remote::chromadb", "inline::sqlite-vec"}


def test_a_file_name_is_a_type() -> None:
    assert type_of("inline_llama_cpp") == "inline::llama-cpp"
    assert type_of("remote_chromadb") == "remote::chromadb"
    assert type_of("openai_compatible") is None
    assert type_of("inline_") is None


def test_every_file_and_every_row_is_a_type_under_its_own_name() -> None:
    assert {*OURS, *PRESETS} <= set(TYPES)
    assert len(PRESETS) > 18
    assert {name: TYPES[name].type for name in TYPES} == {name: name for name in TYPES}


def test_naming_the_types_imports_none_of_them() -> None:
    script = (
        "import sys; from stackwright.providers.registry import TYPES; assert len(TYPES) > 20; TYPES['remote::openai'];"
        "loaded = [m for m in sys.modules if '.inline_' in m or '.remote_' in m or m.endswith('.openai_compatible')];"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_describing_every_type_needs_no_extra() -> None:
    heavy = ["chromadb", "numpy", "xllamacpp", "wordllama", "sqlite_vec", "redis", "pymongo"]
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({heavy}));"
        "from stackwright.providers.describe import pages; assert len(pages()) > 4"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_configured_by_its_address_alone(name: str) -> None:
    row = PRESETS[name]
    config = TYPES[name].config.model_validate({} if row.url else {"base_url": row.example})
    assert isinstance(config, Config)
    assert config.base_url == (row.url or row.example)


def test_the_older_names_of_address_and_key_are_understood() -> None:
    config = TYPES["remote::vllm"].config.model_validate({"url": "http://gpu:8000/v1/", "api_token": "t"})
    assert config.base_url == "http://gpu:8000/v1"
    assert config.api_key.reveal() == "t"


@pytest.mark.parametrize("url", ["host/v1", "ftp://host", "http://", "http://u:p@host/v1", "http://host/v1?key=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Config.model_validate({"base_url": url})


class Nothing(Section):
    """No settings."""


@asynccontextmanager
async def needy(config: Nothing, backends: Any) -> AsyncIterator[None]:
    import no_such_package  # type: ignore[import-not-found]  # noqa: F401

    yield


async def test_a_missing_library_says_what_to_install() -> None:
    provider = Provider(type="inline::needy", api="inference", summary="x", config=Nothing, open=needy, extra="chroma")
    with pytest.raises(MissingExtra, match=r"'no_such_package': pip install 'stackwright\[chroma\]'"):
        async with opened(provider, Nothing(), None):  # type: ignore[arg-type]
            pass


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Types:
    """Another distribution on the path, with three entry points: a good one, a broken one, one that takes ours."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[stackwright.providers]\nremote::acme = acme_provider:PROVIDER\n"
        "remote::broken = acme_provider:NO_SUCH\nremote::openai = acme_provider:PROVIDER\n"
    )
    (tmp_path / "acme_provider.py").write_text(
        "from stackwright.providers.inference.inline_scripted import Config, connect\n"
        "from stackwright.providers import Provider\n"
        "PROVIDER = Provider(type='remote::acme', api='inference', summary='Acme', config=Config, open=connect)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return Types()


def test_other_packages_add_types_but_never_take_ours(packages: Types) -> None:
    assert packages["remote::acme"].summary == "Acme"
    assert packages["remote::openai"] is TYPES["remote::openai"]
    with pytest.raises(BrokenProvider, match="'remote::broken' cannot be loaded"):
        packages["remote::broken"]


STORAGE = """
version: 2
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: /tmp/kv.db}
    sql_default: {type: sql_sqlite, db_path: /tmp/sql.db}
"""


def test_every_sample_fits_into_a_run_file() -> None:
    for name in TYPES:
        text = STORAGE + describe.sample(TYPES[name])
        run = loads(text, environ={}, types=TYPES)
        (entry,) = run.providers[TYPES[name].api]
        assert entry.provider_type == name


def test_every_type_has_a_line_in_the_index_and_every_own_type_a_page() -> None:
    pages = describe.pages()
    assert all(f"`{name}`" in pages["index.md"] for name in TYPES)
    assert all(f"{name.replace('::', '-')}.md" in pages for name in OURS)
    assert all(f"`{name}`" in pages["openai-compatible.md"] for name in PRESETS)


def test_the_command_lists_shows_and_suggests() -> None:
    listed = CliRunner().invoke(main, ["providers"])
    assert listed.exit_code == 0
    assert "remote::openai " in listed.output
    shown = CliRunner().invoke(main, ["providers", "show", "remote::chromadb"])
    assert shown.exit_code == 0
    assert 'persistence: {backend: kv_default, namespace: "vector_io::chromadb"}' in shown.output
    unknown = CliRunner().invoke(main, ["providers", "show", "remote::opnai"])
    assert unknown.exit_code == 2
    assert "Did you mean 'remote::openai'?" in unknown.output


def test_plug_in_authors_find_what_they_need_in_one_place() -> None:
    from stackwright.config.secret import Secret
    from stackwright.config.section import Section
    from stackwright.config.storage import KVReference, SqlReference
    from stackwright.providers.provider import Backends

    names = {"Backends": Backends, "KVReference": KVReference, "Provider": Provider}
    names |= {"Secret": Secret, "Section": Section, "SqlReference": SqlReference}
    assert {name: getattr(providers, name) for name in providers.__all__} == names

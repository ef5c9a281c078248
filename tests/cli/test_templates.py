"""Every template, from `init` to answers: served on the databases and spoken to by the vendor that it names."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from stackwright.config.templates import NAMES, TEMPLATES
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream
from tests.cli.command import rows, run
from tests.running import RunningServer
from tests.servers import PostgresServer
from tests.servers_kv import ValkeyServer

MODELS = play.answer({"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "up"}]})
CHAT = play.answer(play.completion("Hello!"))
ASK = "Say hello."


@pytest.fixture
def databases(postgres_server: PostgresServer, postgres_db: str, valkey_server: ValkeyServer) -> dict[str, str]:
    """Where the databases of the templates are."""
    return {
        "POSTGRES_HOST": postgres_server.host,
        "POSTGRES_PORT": str(postgres_server.port),
        "POSTGRES_DB": postgres_db,
        "POSTGRES_USER": postgres_server.user,
        "POSTGRES_PASSWORD": postgres_server.password,
        "REDIS_HOST": valkey_server.host,
        "REDIS_PORT": str(valkey_server.port),
    }


def _vendor(template: str, vendor: Upstream) -> tuple[str, Mapping[str, str]]:
    """Return the provider through which a template reaches the vendor, and the variables for that."""
    if template == "openai":
        return "openai", {"OPENAI_BASE_URL": vendor.base_url, "OPENAI_API_KEY": "sk-of-the-template"}
    return "vllm", {"VLLM_URL": vendor.base_url}


@pytest.mark.parametrize("template", NAMES)
async def test_a_template_is_served_and_answers(template: str, tmp_path: Path, databases: dict[str, str]) -> None:
    written = run(tmp_path, "init", "--template", template)
    assert written.stdout.startswith("Wrote run.yaml. Next: ")
    async with Upstream([MODELS, CHAT]) as vendor:
        provider, variables = _vendor(template, vendor)
        needed = databases if "postgres" in template else {}
        text = (tmp_path / "run.yaml").read_text()
        server = RunningServer(tmp_path, text, environ={"STACKWRIGHT_HOME": "", **needed, **variables})
        with server:
            await asyncio.to_thread(_is_used, server, f"{provider}/m")
        authorization = vendor.requests[-1].headers.get("authorization")
    assert authorization == ("Bearer sk-of-the-template" if template == "openai" else None)
    checked = run(tmp_path, "check", "run.yaml", "--connect", **needed, **variables)
    assert {row[4] for row in rows(checked)[1:]} == {"yes"}


def _is_used(server: RunningServer, model: str) -> None:
    """A stored completion and a stored response, each read back."""
    server.wait_for("/ready")
    server.wait_for(f"/v1/models/{model}")
    with server.client() as client:
        said = client.chat.completions.create(model=model, messages=[{"role": "user", "content": ASK}], store=True)
        assert said.choices[0].message.content == "Hello!"
        assert client.chat.completions.retrieve(said.id).choices[0].message.content == "Hello!"
        made = client.responses.create(model=model, input=ASK)
        assert made.output_text == "Hello!"
        assert client.responses.retrieve(made.id).output_text == "Hello!"


@pytest.mark.parametrize("template", [name for name in NAMES if TEMPLATES[name].needs])
def test_a_template_says_what_must_be_set_first(template: str, tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--template", template)
    for variable in TEMPLATES[template].needs:
        assert variable in done.stdout
    refused = run(tmp_path, "check", "run.yaml")
    assert refused.returncode == 2
    assert {name for name in TEMPLATES[template].needs if f"variable {name} is not set" in refused.stderr} == set(
        TEMPLATES[template].needs
    )


def test_the_templates_are_listed_with_what_they_are(tmp_path: Path) -> None:
    head, *listed = rows(run(tmp_path, "init", "--list"))
    assert head == ["TEMPLATE", "WHAT IT IS", "NEEDS"]
    assert [row[:2] for row in listed] == [[name, one.summary] for name, one in TEMPLATES.items()]
    assert list(tmp_path.iterdir()) == []
    text = run(tmp_path, "init", "--help").stdout
    assert all(f"{name} " in text and one.summary in text for name, one in TEMPLATES.items())


def test_an_unknown_template_gets_the_nearest_name(tmp_path: Path) -> None:
    done = run(tmp_path, "init", "--template", "postgres_redis")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no template 'postgres_redis'. Did you mean 'postgres-redis'?" in done.stderr
    assert list(tmp_path.iterdir()) == []

"""Laws of the loader: whatever the text, the answer is a run file or complaints, and secrets stay secret."""

import random
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from stackwright.config import templates
from stackwright.config.complaint import RunFileError
from stackwright.config.locate import LARGEST
from stackwright.config.schema import json_schema
from stackwright.config.show import show
from stackwright.providers.registry import TYPES as REAL_TYPES
from tests.config.files import AFTER, BEFORE, POSTGRES, TYPES, complaints, minimal, outcome, read

SECRETS = {name: f"s3cr3t-{i}-Zq" for i, name in enumerate(POSTGRES)} | {"POSTGRES_PORT": "54329876"}
PIECES = [
    *(
        "version: 2\n",
        "storage:\n",
        "  backends:\n",
        "    kv: {type: kv_redis}\n",
        "- ",
        ": ",
        "? ",
        "&a ",
        "*a",
        "<<: *a\n",
    ),
    *(
        "${env.X}",
        "${env.X:=",
        "${file:",
        "}",
        "$${",
        "${",
        "{",
        "[",
        "]",
        ",",
        "'",
        '"',
        "|\n",
        ">\n",
        "\n",
        "\t",
        "  ",
        "#",
    ),
    *(
        "!!int ",
        "!x ",
        "%YAML 1.1\n---\n",
        "%TAG ! x\n",
        "...\n",
        "null",
        "~",
        "0o7",
        "1e999",
        ".nan",
        "\x85",
        "\u2028",
        "é",
    ),
    *(
        "providers:\n",
        "  inference:\n",
        "    provider_id: ",
        "server:\n",
        "  auth: ",
        "models:\n",
        "kvstore: {type: sqlite}\n",
    ),
]


def survives(text: str) -> None:
    """Load a text; anything but a run file or complaints is a failure."""
    found = outcome(text, X="value")
    if isinstance(found, RunFileError):
        assert found.complaints
        assert all(complaint.line > 0 and complaint.column > 0 for complaint in found.complaints)
    else:
        assert show(found)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("a: " + "1" * 5000)
@example("${env.X:=" * 2000)
@example("version: 2\nimage_name: '" + "${env.Y:=" * 500 + "}" * 500 + "'")
def test_no_pieces_of_yaml_lead_to_anything_but_complaints(text: str) -> None:
    survives(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_no_text_leads_to_anything_but_complaints(text: str) -> None:
    survives(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([AFTER, BEFORE, minimal("server: {auth: {mode: none}}")]))
def test_a_damaged_run_file_leads_to_complaints_that_keep_its_secrets(seed: int, text: str) -> None:
    chance = random.Random(seed)
    lines = text.splitlines()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(lines))
        match chance.randrange(4):
            case 0:
                lines[at] = lines[at].replace(":", chance.choice([": x", ":", "", ": [", "_: "]), 1)
            case 1:
                del lines[at]
                lines.append("")
            case 2:
                lines[at] = "  " + lines[at]
            case _:
                lines.insert(at, lines[chance.randrange(len(lines))])
    found = outcome("\n".join(lines), **SECRETS)
    if isinstance(found, RunFileError):
        # In a complaint nothing that came out of a variable appears, secret or not.
        assert [secret for secret in SECRETS.values() if secret in str(found)] == []
    else:
        assert SECRETS["POSTGRES_PASSWORD"] not in show(found)


@pytest.mark.parametrize(
    "text",
    [
        minimal("server: {port: '${env.X}'}"),
        minimal("server: {host: '${env.X}'}"),
        minimal("server: {auth: {mode: '${env.X}'}}"),
        minimal("apis: ['${env.X}']"),
        minimal("models: [{model_id: m, provider_id: '${env.X}', model_type: '${env.X}'}]"),
        minimal("providers: {inference: [{provider_id: a, provider_type: '${env.X}'}]}"),
        minimal(
            "providers: {inference: [{provider_id: '${env.X}', provider_type: remote::openai}, "
            "{provider_id: '${env.X}', provider_type: remote::openai}]}\nmodels: [{model_id: m, provider_id: other}]"
        ),
        minimal("  stores: {prompts: {backend: '${env.X}', table_name: '${env.X}'}}"),
        minimal(
            "  stores: {prompts: {backend: sql_default, table_name: '${env.X}'}, "
            "responses: {backend: sql_default, table_name: '${env.X}'}}"
        ),
        minimal("  stores: {prompts: {backend: nope, table_name: '1-${env.X}'}}"),
        minimal().replace("type: kv_sqlite", "type: '${env.X}'"),
        minimal("version: 2").replace("/nowhere/kv.db", "${env.X}"),
    ],
)
def test_what_a_variable_holds_is_in_no_complaint(text: str) -> None:
    found = complaints(text, X="zq9secret")
    assert found
    assert "zq9secret" not in "".join(found)


@given(st.text(string.ascii_letters + string.digits + "!%&+-_~^é", min_size=8, max_size=20))
def test_a_literal_secret_is_never_shown(secret: str) -> None:
    secret = f"9Q{secret}"
    config = f'{{base_url: "https://user:{secret}@host", api_key: "{secret}", hf_token: "{secret}"}}'
    text = minimal(
        f"providers: {{inference: [{{provider_id: a, provider_type: remote::openai, config: {config}}}]}}\n"
        f'conversations_store: {{type: postgres, password: "{secret}", url: "postgres://u:{secret}@h"}}\n'
        f'server: {{auth: {{mode: "https://u:{secret}@h", api_keys: [{{name: "{secret}", key: 1, tenant: [x]}}]}}}}'
    )
    found = "\n".join(complaints(text))
    assert "hf_token" in found
    assert secret not in found


def test_a_provider_s_own_words_are_searched_for_secrets() -> None:
    assert secret_in_validator("${env.KEY}") == "The key ******** is not well"
    assert secret_in_validator("sk-literal-1") == "The key ******** is not well"
    assert (
        secret_in_validator("x", "redis://u:literal@h") == "The key ******** is not well, nor is redis://u:********@h"
    )


def test_a_literal_under_a_key_that_smells_is_not_quoted() -> None:
    entry = (
        "{provider_id: a, provider_type: remote::openai, config: {timeout: zq1, limits: {password_number: zq9secret}}}"
    )
    assert "zq9secret" not in "".join(found := complaints(minimal(f"providers: {{inference: [{entry}]}}")))
    assert "'zq1' is not right: it must be a number." in found[0]
    assert "This must be an integer." in found[1]


def secret_in_validator(key: str, url: str = "") -> str:
    from typing import Self

    from pydantic import model_validator

    from stackwright.config.load import loads
    from stackwright.config.secret import Secret
    from stackwright.config.section import Section
    from tests.config.files import FakeType

    class Talkative(Section):
        dsn: Secret
        place: str = ""

        @model_validator(mode="after")
        def _talk(self) -> Self:
            and_ = f", nor is {self.place}" if self.place else ""
            raise ValueError(f"The key {self.dsn.reveal()} is not well{and_}")

    types = {"remote::talkative": FakeType("remote::talkative", "inference", Talkative)}
    entry = f"{{provider_id: a, provider_type: remote::talkative, config: {{dsn: '{key}', place: '{url}'}}}}"
    with pytest.raises(RunFileError) as raised:
        loads(minimal(f"providers: {{inference: [{entry}]}}"), environ={"KEY": "sk-from-outside"}, types=types)
    (complaint,) = raised.value.complaints
    return complaint.message.rstrip(".")


def test_what_is_shown_loads_again_as_the_same() -> None:
    text = minimal(
        "providers: {inference: [{provider_id: a, provider_type: remote::openai, config: {base_url: 'x$${y}'}}]}\n"
        "models: [{model_id: '007', provider_id: a, metadata: {n: 1, s: '1', b: true}}]\n"
    )
    run = read(text)
    assert read(show(run)) == run


def test_what_is_shown_is_what_is_in_effect_without_secrets() -> None:
    shown = YAML(typ="safe").load(
        show(read(AFTER, **{**SECRETS, "POSTGRES_PORT": "5433", "OPENAI_API_KEY": "sk-abcdefgh"}))
    )
    assert shown["storage"]["backends"]["sql_default"]["host"] == SECRETS["POSTGRES_HOST"]
    assert shown["storage"]["backends"]["sql_default"]["password"] == "********"
    assert shown["providers"]["inference"][0]["config"]["api_key"] == "********"
    assert shown["storage"]["stores"]["responses"] == {"backend": "sql_default", "table_name": "responses"}


def test_a_secret_is_masked_wherever_it_is_shown() -> None:
    text = minimal(
        "image_name: 'of sk-long-enough'\n"
        "models: [{model_id: pw, provider_id: a, metadata: {api_token: t0ken, at: 'http://u:inner@h'}}]\n"
        "providers: {inference: [{provider_id: a, provider_type: remote::openai, config: {api_key: sk-long-enough}},"
        " {provider_id: b, provider_type: remote::openai, config: {api_key: pw}}]}"
    )
    shown = YAML(typ="safe").load(show(read(text)))
    assert shown["image_name"] == "of ********"
    assert shown["models"][0]["model_id"] == "********"
    assert shown["models"][0]["metadata"] == {"api_token": "********", "at": "http://u:********@h"}


VALIDATOR = Draft202012Validator(json_schema(TYPES))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json_schema(REAL_TYPES))


@pytest.mark.parametrize(
    "text",
    [
        AFTER,
        minimal(),
        minimal("server: {port: '${env.PORT}', auth: {mode: '${env.M}', i_understand: '${env.B:=true}'}}"),
        minimal("providers: {vector_io: [{provider_id: d, provider_type: inline::deep}], inference: []}"),
        "version: '2'\ndistro_name: x\nstorage: {backends: {a: {type: '${env.T}', db_path: 123}}}",
    ],
)
def test_the_schema_takes_what_the_loader_takes(text: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(YAML(typ="safe").load(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        minimal("servr: {}"),
        minimal("server: {port: eighty}"),
        minimal("providers: {inference: [{provider_id: a, provider_type: remote::openai, config: {bogus: 1}}]}"),
        minimal("providers: {inference: [{provider_id: a, provider_type: remote::chromadb}]}"),
        minimal().replace("kv_sqlite", "kv_sqllite"),
        "version: 1\n",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    assert complaints(text)
    assert list(VALIDATOR.iter_errors(YAML(typ="safe").load(text)))


ALWAYS = {"vllm": ["vllm"], "openai": ["openai"]}
"""The providers that a template has whatever the environment says."""


@pytest.mark.parametrize("name", templates.NAMES)
def test_a_template_loads_with_everything_switched_on_and_with_everything_off(name: str) -> None:
    from stackwright.config.load import loads

    text = templates.read(name)
    needed = dict.fromkeys(templates.TEMPLATES[name].needs, "x")
    off = loads(text, environ=needed, types=REAL_TYPES)
    assert [entry.provider_id for entry in off.providers["inference"]] == ALWAYS.get(name, [])
    flags = ("LLAMA_CPP", "WORDLLAMA")
    keys = ("OPENAI", "TOGETHER", "GROQ", "FIREWORKS", "MISTRAL", "DEEPSEEK", "OPENROUTER", "GEMINI")
    on = {f"STACKWRIGHT_HAS_{flag}": "1" for flag in flags} | {f"{key}_API_KEY": "k" for key in keys}
    on |= {"OLLAMA_URL": "http://localhost:11434/v1", "VLLM_URL": "http://localhost:8000/v1"}
    run = loads(text, environ=on | needed, types=REAL_TYPES)
    assert sum(map(len, run.providers.values())) == text.count("- provider_id:")
    assert list(Draft202012Validator(json_schema(REAL_TYPES)).iter_errors(YAML(typ="safe").load(text))) == []


def test_a_file_that_is_far_too_long_is_refused_at_once() -> None:
    assert "longer than" in complaints("#" * (LARGEST + 1))[0]

"""The generated pages of docs/reference: `make docs` writes them, a test compares them."""

from collections.abc import Iterator
from typing import Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stackwright.cli import main
from stackwright.config import responses, runfile, server, storage
from stackwright.providers import describe
from tests.house.sources import ROOT

FOLDER = ROOT / "docs" / "reference"

SECTIONS: dict[str, tuple[type[BaseModel], ...]] = {
    "Top level": (runfile.RunFile,),
    "`providers.<api>[]`": (runfile.ProviderEntry,),
    "`storage`": (storage.Storage,),
    "`storage.backends.<name>`": (
        storage.SqliteBackend,
        storage.PostgresBackend,
        storage.RedisBackend,
        storage.MongoBackend,
    ),
    "`storage.stores`": (storage.Stores, storage.InferenceStore),
    "References": (storage.KVReference, storage.MetadataStore, storage.SqlReference, storage.StoreReference),
    "`registered_resources`": (runfile.RegisteredResources, runfile.RegisteredModel),
    "`responses`": (
        responses.Responses,
        responses.Background,
        responses.FileUrls,
        responses.Mcp,
        responses.WebSockets,
    ),
    "`server`": (server.Server, server.Auth, server.ApiKey),
}

RUN_FILE = """\
# The run file

Every key of every section, from the classes that read it. A key that is not here is a complaint, never ignored.
`stackwright check` reads a file and opens nothing; `stackwright config schema` prints this page as JSON Schema, for
editors. The settings of providers are under [providers](providers/index.md).

In any value: `${env.X}` is a variable (unset or empty is a complaint), `${env.X:=text}` has a default, `${env.X:+text}`
is `text` when X is set, `${file:/run/secrets/x}` is what a file holds (relative to the run file's folder), and `$${` is
a literal `${`. What comes out stays a string where a string is wanted: a password `123456` is no number. A provider
whose `provider_id` comes out empty is switched off, and the rest of its entry is not read.
"""

COMMANDS = """\
# The command line

Without RUN_YAML a command takes `$STACKWRIGHT_HOME/run.yaml` if it exists (the default home is `~/.stackwright`), else
the built-in starter.

| exit status | meaning |
|---|---|
| 0 | done |
| 1 | it could not be done: a port is taken, a database does not answer, the server's disk failed |
| 2 | the run file or the command line is wrong; nothing was opened |
"""


def pages() -> dict[str, str]:
    """Return every generated page by its path below docs/reference."""
    providers = {f"providers/{name}": text for name, text in describe.pages().items()}
    return {"run-file.md": run_file(), "cli.md": command_line(), **providers}


def written() -> dict[str, str]:
    """Return the pages that are there."""
    return {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.rglob("*.md")}


def write() -> None:
    """Write every page, and remove those of things that are gone."""
    wanted = pages()
    for old in written().keys() - wanted.keys():
        (FOLDER / old).unlink()
    for name, text in wanted.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text)


def run_file() -> str:
    """Return the page about the run file."""
    return "\n".join([RUN_FILE, *(line for title in SECTIONS for line in _section(title))])


def _section(title: str) -> Iterator[str]:
    yield f"## {title}\n"
    for cls in SECTIONS[title]:
        yield f"{' '.join((cls.__doc__ or '').split())}\n"
        yield "| key | type | default | meaning |"
        yield "|---|---|---|---|"
        for name, field in cls.model_fields.items():
            yield f"| `{name}` | {_kind(field)} | {_default(field)} | {field.description or ''} |"
        yield ""


def _kind(field: FieldInfo) -> str:
    kind = describe.type_in_words(field.annotation).replace("|", "\\|")
    return ", ".join([kind, *_bounds(field)])


def _bounds(field: FieldInfo) -> Iterator[str]:
    inner = [each for part in get_args(field.annotation) for each in getattr(part, "__metadata__", ())]
    for rule in (*field.metadata, *inner):
        for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most")):
            if (bound := getattr(rule, name, None)) is not None:
                yield f"{words} {bound}"
        if pattern := getattr(rule, "pattern", None):
            yield f"matching `{pattern}`"


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if isinstance(value, storage.KVReference | storage.SqlReference):
        place = {name: getattr(value, name) for name in ("backend", "namespace", "table_name") if hasattr(value, name)}
        return f"`{{{', '.join(f'{name}: {text}' for name, text in place.items())}}}`"
    if isinstance(value, BaseModel | tuple | dict):
        return ""
    words = describe.default_in_words(field)
    return words if words in ("", "required") else f"`{words}`"


def command_line() -> str:
    """Return the page about the command."""
    root = click.Context(main, info_name="stackwright", terminal_width=100, **main.context_settings)
    return "\n".join([COMMANDS, *_helps(main, root)])


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    yield f"```text\n{command.get_help(context)}\n```\n"
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from _helps(inner, click.Context(inner, info_name=name, parent=context, terminal_width=100))


if __name__ == "__main__":
    write()

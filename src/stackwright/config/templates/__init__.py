"""The run files that come with the package, put together from parts: what two have in common is written once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_HEAD = """\
# A Stackwright run file: {summary}.
#{note}
# ${{env.X}} is a variable, ${{env.X:=text}} has a default, ${{env.X:+text}} is text when X is set,
# ${{file:/run/secrets/x}} is what a file holds, and $${{ is a literal ${{.
# A provider whose provider_id comes out empty is switched off.
version: 2
image_name: {name}

"""
_STORAGE = """
# Each database once, by name. Everything that keeps state refers to one of these.
storage:
  backends:
"""


@dataclass(frozen=True, kw_only=True)
class Template:
    """What a run file is for, and the parts it is made of."""

    summary: str
    models: str = "any"
    kv: str = "sqlite"
    sql: str = "sqlite"
    local: bool = False
    """For one machine alone: its tools may be on it too."""
    needs: tuple[str, ...] = ()
    """The variables without which it does not load."""
    note: str = ""
    """Comment for the top of the file, a line each."""

    def text(self, name: str) -> str:
        """Return the run file."""
        note = "".join(f"\n# {line}" for line in self.note.splitlines()) + ("\n#" if self.note else "")
        backends = _part(f"kv-{self.kv}") + _part(f"sql-{self.sql}")
        head = _HEAD.format(summary=self.summary, note=note, name=name)
        tools = _part("tools-local") if self.local else ""
        stores = _STORAGE + backends + _part("stores") + "\n"
        return head + _part(f"models-{self.models}") + _part("files") + stores + tools + _part("server")


_POSTGRES = """\
Set POSTGRES_PASSWORD, and POSTGRES_HOST, POSTGRES_PORT, POSTGRES_DB, POSTGRES_USER where the defaults below are wrong.
The database must exist; tables are made in it."""

TEMPLATES: Mapping[str, Template] = {
    "starter": Template(
        summary="state in SQLite, and whatever models are found",
        local=True,
        note="Without a run file the server uses this very text.",
    ),
    "postgres": Template(
        summary="all state in one Postgres database, which many replicas may share",
        kv="postgres",
        sql="postgres",
        needs=("POSTGRES_PASSWORD",),
        note=f"{_POSTGRES} The two backends share one pool.",
    ),
    "postgres-redis": Template(
        summary="rows in Postgres, keys and values in Redis, for many replicas",
        kv="redis",
        sql="postgres",
        needs=("POSTGRES_PASSWORD",),
        note=f"{_POSTGRES}\nThe same with REDIS_HOST, REDIS_PORT and REDIS_PASSWORD, which all have defaults.",
    ),
    "vllm": Template(
        summary="the models of a vLLM server, state in SQLite",
        models="vllm",
        note="Set VLLM_URL where the default below is wrong: its address, up to and including /v1.",
    ),
    "openai": Template(
        summary="OpenAI's models, state in SQLite",
        models="openai",
        needs=("OPENAI_API_KEY",),
        note="Set OPENAI_API_KEY. What the server keeps stays here: OpenAI is asked for models alone.",
    ),
}
NAMES = tuple(TEMPLATES)


def read(name: str) -> str:
    """Return the text of a template."""
    return TEMPLATES[name].text(name)


def _part(name: str) -> str:
    return (Path(__file__).parent / "parts" / f"{name}.yaml").read_text(encoding="utf-8")

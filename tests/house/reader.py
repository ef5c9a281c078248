"""A reader who does what a page says, one block after the other, and compares what comes of it."""

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click
import psutil
from openai import OpenAI
from ruamel.yaml import YAML

from stackwright.cli import main
from stackwright.config import templates
from tests.house.pages import Block
from tests.house.sources import ROOT
from tests.journeys import npm
from tests.running import RunningServer

PORT = "8321"
MODEL = "/v1/models/llama-cpp/SmolLM2-135M-Instruct"
SECRETS = "/run/secrets/"
SHOWN_WITHIN = 60.0
TARGETS = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


class Reader:
    """Has a folder, an environment, at most one server, and one Python session."""

    def __init__(self, folder: Path, environ: Mapping[str, str], aliases: Mapping[str, str]) -> None:
        """`aliases` says what the pages call things whose names are different each time."""
        self._folder = folder
        unset = dict.fromkeys(re.findall(r"env\.(?!STACKWRIGHT)(\w+)", templates.read("postgres-redis")), "")
        self._environ = {**unset, "STACKWRIGHT_HOME": "", **environ}
        self._aliases = {f"{folder}/run.yaml": "run.yaml", str(folder): "/home/ada", **aliases}
        self._server: RunningServer | None = None
        self._session: dict[str, Any] = {"__name__": "__main__"}
        self._printed: str | None = None
        self._others: list[subprocess.Popen[bytes]] = []
        """Programs of the page that run beside the server."""

    def close(self) -> None:
        """Leave nothing behind."""
        for value in self._session.values():
            if isinstance(value, OpenAI):
                value.close()
        if self._server is not None:
            self._server.close()
        for other in self._others:
            other.kill()
            other.wait()

    def do(self, block: Block) -> None:
        """Do what a block says, or compare what it shows with what the one before printed."""
        match block.language:
            case "python" if block.title:
                (self._folder / block.title).write_text(block.text)
            case "python":
                self._printed = self._run_python(block)
            case "js":
                self._printed = self._run_js(block)
            case "bash":
                self._printed = self._run_bash(block)
            case "console":
                self._run_console(block)
            case "yaml" if block.title.startswith("in "):
                self._edit(self._folder / block.title.removeprefix("in "), block.text)
            case "yaml" if block.title:
                (self._folder / block.title).write_text(self._local(block.text))
            case "yaml":
                pass
            case "toml" if block.title == "pyproject.toml":
                self._install(tomllib.loads(block.text)["project"])
            case "toml":
                tomllib.loads(block.text)
            case "ini" | "dockerfile":
                [command] = re.findall(r"^(?:ExecStart=/\S+/|CMD )(.+)$", block.text, re.MULTILINE)
                program, *arguments = json.loads(command) if command[0] == "[" else shlex.split(command)
                assert program == "stackwright", command
                _parse(arguments)
            case "json" | "text":
                assert self._printed is not None, "nothing was printed that this could show"
                (_same_json if block.language == "json" else _same_text)(block.text, self._global(self._printed))
                self._printed = None
            case other:
                raise AssertionError(f"{other} is not a language this reader knows")

    def _install(self, project: dict[str, Any]) -> None:
        """Make a package of the page's known, as `pip install -e .` would: the folder is on the path of what we run."""
        info = self._folder / f"{project['name']}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = [
            f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
            for group, points in project["entry-points"].items()
        ]
        (info / "entry_points.txt").write_text("".join(lines))

    def _run_python(self, block: Block) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed), contextlib.chdir(self._folder):
            exec(compile(self._local(block.text), block.place, "exec"), self._session)
        return printed.getvalue()

    def _run_js(self, block: Block) -> str:
        script = self._folder / "block.mjs"
        script.write_text(self._local(block.text))
        return npm.node(script, npm.installed(npm.CLIENTS), {"PATH": os.environ["PATH"]})

    def _run_bash(self, block: Block) -> str | None:
        for words in _commands(block.text):
            match words:
                case ["curl", *arguments]:
                    return self._curl(arguments)
                case ["make", "serve"]:
                    self._serve(None)
                case ["python", script]:
                    self._beside(script)
                case ["make", target, *_]:
                    assert target in TARGETS, target
                case ["stackwright", *arguments]:
                    _parse(arguments)
                case ["pip" | "export", *_]:
                    pass
                case other:
                    raise AssertionError(f"{other} is not a command this reader knows")
        return None

    def _curl(self, arguments: list[str]) -> str:
        assert self._server is not None, "no server runs"
        parser = argparse.ArgumentParser()
        parser.add_argument("url")
        parser.add_argument("-d", dest="data")
        parser.add_argument("-H", dest="headers", action="append", default=[])
        given = parser.parse_args(arguments)
        path = self._local(given.url).removeprefix(self._server.url)
        headers = dict(header.split(": ", 1) for header in given.headers)
        data = given.data and given.data.encode()
        return self._server.request("POST" if data else "GET", path, data, **headers).body.decode()

    def _run_console(self, block: Block) -> None:
        for line, expected in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
            program, *arguments = shlex.split(line)
            assert program == "stackwright", line
            _parse(arguments)
            if arguments[0] == "serve" and "--host" not in arguments:
                self._serve(next((each for each in arguments[1:] if not each.startswith("-")), None))
                self._wait_until_shown(expected)
            else:
                _same_text(expected, self._global(self._stackwright(arguments)))

    def _stackwright(self, arguments: list[str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "stackwright", *arguments],
            cwd=self._folder,
            env={**os.environ, **self._environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert "Traceback" not in done.stdout
        return done.stdout

    def _serve(self, run_file: str | None) -> None:
        if self._server is not None:
            assert self._server.stop() == 0
            self._server.log.unlink()
        text = None if run_file is None else (self._folder / run_file).read_text()
        port = self._server.port if self._server else None
        self._server = RunningServer(self._folder, text, environ=self._environ)
        # A client of the page's survives a restart, as it would on port 8321.
        self._server.port = port or self._server.port
        self._server.start()
        self._server.wait_for("/ready")
        if text is None or "llama-cpp" in text:
            self._server.wait_for(MODEL)

    def _beside(self, script: str) -> None:
        """Run a server of the page's beside ours."""
        other = subprocess.Popen([sys.executable, script], cwd=self._folder, stderr=subprocess.DEVNULL)
        self._others.append(other)
        deadline = time.monotonic() + SHOWN_WITHIN
        while not psutil.Process(other.pid).net_connections():
            assert time.monotonic() < deadline, f"{script} does not listen"

    def _wait_until_shown(self, expected: str) -> None:
        assert self._server is not None
        deadline = time.monotonic() + SHOWN_WITHIN
        while not _pattern(expected).fullmatch(_flat(self._global(self._server.log.read_text()))):
            if time.monotonic() > deadline:
                _same_text(expected, self._global(self._server.log.read_text()))
            self._server.get("/health")

    def _edit(self, path: Path, text: str) -> None:
        """Replace in a run file what the fragment has, two levels deep."""
        yaml = YAML()
        run = yaml.load(path.read_text())
        for section, keys in yaml.load(text).items():
            run[section].update(keys)
        with path.open("w") as stream:
            yaml.dump(run, stream)

    def _local(self, text: str) -> str:
        """Return a page's text as it is to be done here."""
        for secret in re.findall(rf"{SECRETS}([\w-]+)", text):
            (self._folder / secret).write_text("correct horse battery staple\n")
        text = text.replace(SECRETS, f"{self._folder}/")
        return text.replace(PORT, str(self._server.port)) if self._server else text

    def _global(self, text: str) -> str:
        """Return what was printed here as a page would have it."""
        for here, there in self._aliases.items():
            text = text.replace(here, there)
        return text.replace(str(self._server.port), PORT) if self._server else text


def _commands(text: str) -> list[list[str]]:
    """Return the commands of a block: one `curl` that may span lines, or one command a line."""
    return [shlex.split(each) for each in ([text] if text.startswith("curl") else text.splitlines())]


def _parse(arguments: list[str]) -> None:
    """Fail unless the command line takes these arguments. Nothing is run."""
    command: click.Command = main
    context = click.Context(main, info_name="stackwright")
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        _, inner, arguments = command.resolve_command(context, arguments)
        assert inner is not None, arguments
        command = inner
    command.make_context(command.name, list(arguments), parent=context)


def _flat(text: str) -> str:
    """Return a text whose columns do not depend on how long a name is."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def _pattern(expected: str) -> re.Pattern[str]:
    parts = re.split(r"\n?\.{3}", _flat(expected))
    return re.compile(".*?".join(map(re.escape, parts)), re.DOTALL)


def _same_text(expected: str, printed: str) -> None:
    """Compare; `...` stands for anything, and white space within a line for any."""
    if not _pattern(expected).fullmatch(_flat(printed)):
        assert _flat(printed) == _flat(expected)


def _same_json(expected: str, printed: str) -> None:
    """Compare; `...` in a string stands for anything, the key `...` for more keys, and times are of any time."""
    _same_value(json.loads(expected), json.loads(printed), "$")


def _same_value(expected: Any, printed: Any, place: str) -> None:
    match expected:
        case dict():
            more = expected.keys() & {"..."}
            assert isinstance(printed, dict), place
            assert printed.keys() >= expected.keys() - more if more else printed.keys() == expected.keys(), place
            for key in expected.keys() - more:
                _same_value(expected[key], printed[key], f"{place}.{key}")
        case list():
            assert len(expected) == len(printed), place
            for at, (one, other) in enumerate(zip(expected, printed, strict=True)):
                _same_value(one, other, f"{place}[{at}]")
        case str():
            assert _pattern(expected).fullmatch(_flat(str(printed))), f"{place}: {printed!r}"
        case _:
            assert expected == printed or place.endswith("created"), f"{place}: {printed!r}"

"""`stackwright prompts` as a tired person meets it: on a terminal, in a pipe, and when something is wrong."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result

from stackwright.cli import main
from tests.running import RunningServer

Prompts = Callable[..., Result]


@pytest.fixture
def prompts(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prompts:
    """Run `stackwright prompts`, in a folder of its own, against the server."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, color: bool = False, stdin: str | None = None) -> Result:
        environ = {"STACKWRIGHT_URL": server.url}
        return CliRunner(env=environ).invoke(main, ["prompts", *arguments], color=color, input=stdin)

    return run


def refusal(done: Result) -> str:
    """Return what was said of a command that failed; fails itself for a traceback."""
    assert (done.exit_code, done.stdout) == (1, ""), done.exception
    assert isinstance(done.exception, SystemExit)
    return done.stderr.removesuffix("\n")


def test_colours_are_for_terminals(prompts: Prompts) -> None:
    prompts("create", "-", "--name", "colours", stdin="one\n")
    prompts("publish", "colours", "-", stdin="two\n")
    piped, shown = prompts("diff", "colours").stdout, prompts("diff", "colours", color=True).stdout
    assert piped == "version 1 to version 2\ninstructions changed\n@@ -1 +1 @@\n-one\n+two\n"
    assert "\x1b[31m-one\x1b[0m" in shown
    assert "\x1b[32m+two\x1b[0m" in shown
    assert "\x1b[" in prompts("list", color=True).stdout
    assert "\x1b[" not in prompts("list").stdout


def test_a_variable_may_be_json(prompts: Prompts) -> None:
    prompts("create", "-", "--name", "typed", stdin="{{ city }} in {{ style.language }}")
    given = ("--var", "city=[Oslo]", "--var", 'style:={"language": "Norwegian"}')
    assert "[Oslo] in Norwegian\n" in prompts("render", "typed", *given).stdout
    wrong = prompts("render", "typed", "--var", "style:={")
    assert wrong.exit_code == 2
    assert "--var style:={: no JSON stands after :=, Expecting property name" in wrong.stderr


def test_a_publication_says_whether_it_is_the_default(prompts: Prompts) -> None:
    prompts("create", "-", "--name", "held", stdin="one")
    assert "version 2, the default" in prompts("publish", "held", "-", stdin="two").stdout
    prompts("default", "held", "1")
    assert "version 3, not the default" in prompts("publish", "held", "-", stdin="three").stdout


def test_json_is_what_the_server_answered(prompts: Prompts, server: RunningServer) -> None:
    made = json.loads(prompts("create", "-", "--name", "as-json", "--json", stdin="one").stdout)
    assert made == server.get("/v1/prompts/as-json").json
    published = json.loads(prompts("publish", "as-json", "-", "--json", stdin="two").stdout)
    assert published == server.get("/v1/prompts/as-json/versions/2").json
    assert json.loads(prompts("diff", "as-json", "--json").stdout) == server.get("/v1/prompts/as-json/diff").json
    assert json.loads(prompts("list", "-q", "nothing at all", "--json").stdout) == []
    exported = json.loads(prompts("export", "as-json").stdout)
    assert exported["data"] == server.get("/v1/prompts/export?prompt=as-json").json["data"]


def test_a_prompt_is_shown_with_its_model_and_settings(prompts: Prompts, tmp_path: Path) -> None:
    text = {"format": {"type": "json_object"}}
    first = {"name": "shown", "instructions": "Hi {{ city }}", "model": "m", "temperature": 0.5, "text": text}
    (tmp_path / "first.json").write_text(json.dumps(first))
    assert prompts("create", "first.json").exit_code == 0
    (tmp_path / "second.json").write_text(json.dumps({"instructions": "Bye", "model": "n"}))
    prompts("publish", "shown", "second.json", "--note", "shorter")
    assert 'version 1\nmodel m\ntext {"format": {"type": "json_object"}}\ntemperature 0.5\n\nHi {{ city }}\n' in (
        prompts("show", "shown", "--version", "1").stdout
    )
    newest = prompts("show", "shown").stdout
    assert "version 2\nmodel n\n\nBye\n" in newest
    assert [line.split()[0] for line in newest.splitlines()[-3:]] == ["VERSION", "2", "1"]
    assert json.loads(prompts("show", "shown", "--json").stdout)["spec"] == {"instructions": "Bye", "model": "n"}


def test_a_prompt_is_shown_with_its_messages(prompts: Prompts, tmp_path: Path) -> None:
    picture = [{"type": "input_text", "text": "{{ city }}"}]
    messages = [{"role": "user", "content": "What is in {{ city }}?"}, {"role": "user", "content": picture}]
    shown = '\nuser: What is in {{ city }}?\n\nuser: [{"type": "input_text", "text": "{{ city }}"}]\n\nVERSION'
    (tmp_path / "both.json").write_text(json.dumps({"name": "both", "instructions": "Hi", "messages": messages}))
    (tmp_path / "alone.json").write_text(json.dumps({"name": "alone", "messages": messages}))
    for name, before in ("both", "\nHi\n"), ("alone", "version 1\n"):
        assert prompts("create", f"{name}.json").exit_code == 0
        assert before + shown in prompts("show", name).stdout


def test_prompts_to_import_need_no_wrapping(prompts: Prompts, tmp_path: Path) -> None:
    one = {"id": "pmpt_bare", "versions": [{"version": 2, "instructions": "Hi"}]}
    for content in one, [one], {"data": [one]}:
        (tmp_path / "bare.json").write_text(json.dumps(content))
        done = prompts("import", "bare.json")
        assert (done.exit_code, done.stdout.split()[4]) == (0, "pmpt_bare")
    (tmp_path / "bare.json").write_text('"x"')
    assert refusal(prompts("import", "bare.json")) == (
        "bare.json holds no JSON object: begin it with { and name the fields."
    )


def test_a_file_of_windows_is_read_without_its_mark(prompts: Prompts, tmp_path: Path) -> None:
    data = [{"id": "pmpt_marked", "versions": [{"prompt": "x"}]}]
    (tmp_path / "all.json").write_text(json.dumps(data), encoding="utf-8-sig")
    assert prompts("import", "all.json").stdout.split()[-3:] == ["pmpt_marked", "created", "1"]
    (tmp_path / "text.md").write_text("two", encoding="utf-8-sig")
    assert json.loads(prompts("publish", "pmpt_marked", "text.md", "--json").stdout)["prompt"] == "two"
    assert json.loads(prompts("publish", "pmpt_marked", "-", "--json", stdin="\ufeffthree").stdout)["prompt"] == "three"


def test_what_is_deleted_comes_back_and_what_is_yanked_does_not(prompts: Prompts) -> None:
    made = json.loads(prompts("create", "-", "--name", "leaving", "--json", stdin="one").stdout)["id"]
    prompts("publish", "leaving", "-", stdin="two")
    in_use = refusal(prompts("yank", "leaving", "2", "--yes"))
    assert in_use == "Version 2 is in use by the default: point it elsewhere first."
    done = prompts("yank", "leaving", "1", "--reason", "rude", "--yes")
    assert done.stdout == f"{made}  version 1 yanked: rude\n"
    assert "yanked: rude" in prompts("show", "leaving").stdout
    done = prompts("delete", "leaving", "--yes")
    assert done.stdout == f"{made}  deleted; `stackwright prompts restore {made}` brings it back\n"
    assert refusal(prompts("show", "leaving")) == "Prompt with id 'leaving' not found."
    assert made in prompts("list", "--archived").stdout
    assert prompts("restore", "leaving").stdout == f"{made}  leaving  default 2 (follow), latest 2, labels -\n"
    assert "two\n" in prompts("show", "leaving").stdout


def test_a_pipe_cannot_be_asked(prompts: Prompts) -> None:
    prompts("create", "-", "--name", "asked", stdin="one")
    for command in (("delete", "asked"), ("yank", "asked", "1")):
        done = prompts(*command, stdin="y\n")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "There is no terminal to ask on. Say --yes." in done.stderr
    assert prompts("show", "asked").exit_code == 0


@pytest.mark.parametrize(("answer", "exit_code", "deleted"), [("n", 1, False), ("y", 0, True)])
def test_on_a_terminal_one_is_asked(
    prompts: Prompts, server: RunningServer, answer: str, exit_code: int, deleted: bool
) -> None:
    prompts("create", "-", "--name", f"asked-{answer}", stdin="one")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "stackwright", "prompts", "delete", f"asked-{answer}", "--url", server.url]
    with os.fdopen(ours, "wb", buffering=0) as keyboard, os.fdopen(theirs, "rb") as terminal:
        keyboard.write(f"{answer}\n".encode())
        done = subprocess.run(command, stdin=terminal, capture_output=True, text=True, timeout=60)
    assert done.returncode == exit_code
    assert f"Delete 'asked-{answer}'? Requests that name it will fail. [y/N]: " in done.stderr
    assert (prompts("show", f"asked-{answer}").exit_code == 1) is deleted


def test_an_import_can_be_tried_first(prompts: Prompts, tmp_path: Path) -> None:
    data = [{"id": f"pmpt_tried{number}", "versions": [{"prompt": "x"}]} for number in (1, 2)]
    (tmp_path / "all.json").write_text(json.dumps({"data": data}))
    tried = prompts("import", "all.json", "--dry-run")
    assert (tried.exit_code, tried.stderr) == (0, "Nothing was written.\n")
    assert refusal(prompts("show", "pmpt_tried1")) == "Prompt with id 'pmpt_tried1' not found."
    done = prompts("import", "all.json")
    assert (done.stdout, done.stderr) == (tried.stdout, "")
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["pmpt_tried1", "created", "1"],
        ["pmpt_tried2", "created", "1"],
    ]
    data[1]["versions"] = [{"prompt": "y"}]
    (tmp_path / "all.json").write_text(json.dumps({"data": [{**data[0], "id": "pmpt_tried3"}, data[1]]}))
    refused = refusal(prompts("import", "all.json", "--dry-run"))
    assert refused == "Prompt 'pmpt_tried2' has a version 1 with other content. Nothing was imported."
    assert refusal(prompts("import", "all.json")) == refused
    assert prompts("show", "pmpt_tried3").exit_code == 1


def test_an_empty_list_says_so(prompts: Prompts) -> None:
    done = prompts("list", "-q", "nothing at all")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "No prompts.\n")


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("gone.json", None, "Cannot read gone.json: No such file or directory."),
        ("list.json", b"[1]", "list.json holds no JSON object: begin it with { and name the fields."),
        ("cut.json", b'{"a": ', "cut.json is no JSON: Expecting value: line 1 column 7 (char 6)."),
        ("bytes.md", b"ab\xff", "Cannot read bytes.md: it is not UTF-8 text (byte 2)."),
        ("empty.md", b"", "A prompt needs text: give 'instructions' (or 'prompt'), or 'messages'."),
        (
            "typo.json",
            b'{"prompt": "x", "temprature": 1}',
            "Unknown parameter: 'temprature'. Did you mean 'temperature'?",
        ),
    ],
)
def test_a_file_that_is_no_prompt_is_refused(
    prompts: Prompts, tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert refusal(prompts("create", name)) == complaint


def test_what_is_not_there_is_named(prompts: Prompts) -> None:
    made = json.loads(prompts("create", "-", "--name", "named", "--json", stdin="{{ city }}").stdout)["id"]
    assert refusal(prompts("show", "nobody")) == "Prompt with id 'nobody' not found."
    assert refusal(prompts("export", "nobody")) == "Prompt with id 'nobody' not found."
    assert (
        refusal(prompts("show", "named", "--version", "prod"))
        == f"Prompt '{made}' has no label 'prod'. Its labels: none."
    )
    assert refusal(prompts("default", "named", "9")) == f"Prompt '{made}' has no version 9. Its latest is 1."
    assert refusal(prompts("render", "named", "--var", "cty=x")) == (
        "Missing prompt variables: city. Unknown prompt variables: cty (did you mean 'city'?)"
    )
    prompts("publish", "named", "-", stdin="two")
    moved = refusal(prompts("publish", "named", "-", "--base", "1", stdin="three"))
    assert moved == "Version 1 is not the latest any more: version 2 is."


def test_a_server_that_cannot_be_asked_is_named(prompts: Prompts, server: RunningServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert refusal(prompts("list", "--url", f"http://127.0.0.1:{port}")) == (
        f"No answer from http://127.0.0.1:{port}/v1: Connection refused. Is `stackwright serve` running there?"
    )
    for url in ("127.0.0.1:8321", "ftp://localhost", "http://[::1", "http://"):
        assert "is no address of a server; try --url http://127.0.0.1:8321" in refusal(prompts("list", "--url", url))
    elsewhere = refusal(prompts("list", "--url", f"{server.url}/docs"))
    told = "Invalid URL (GET /docs/v1/prompts). It is /v1/prompts here: let the client's base_url end in /v1."
    assert elsewhere == told


def test_a_key_that_the_server_does_not_know_is_refused(tmp_path: Path) -> None:
    run_file = """
version: 2
apis: [prompts]
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kv.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql.db"}
server: {auth: {mode: api_keys, api_keys: [{name: hers, key: right-right-right-right, tenant: ada}]}}
"""
    with RunningServer(tmp_path, run_file) as server:
        asked = CliRunner(env={"STACKWRIGHT_URL": server.url})
        wrong = asked.invoke(main, ["prompts", "list", "--api-key", "wrong-wrong-wrong"])
        none = asked.invoke(main, ["prompts", "list"])
        right = asked.invoke(main, ["prompts", "list", "--api-key", "right-right-right-right"])
    instead = "give one that it knows as --api-key, or in STACKWRIGHT_API_KEY."
    assert refusal(wrong) == f"{server.url}/v1 does not know this key: {instead}"
    assert refusal(none) == f"{server.url}/v1 wants a key: {instead}"
    assert (right.exit_code, right.stderr) == (0, "No prompts.\n")


class Liar(BaseHTTPRequestHandler):
    """Answers everything in the same way, and remembers what it was asked."""

    answer: tuple[int, bytes] = (200, b"")
    location: str | None = None
    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(f"{self.command} {self.headers['authorization']}")
        self.rfile.read(int(self.headers["content-length"] or 0))
        status, body = self.answer
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if self.location:
            self.send_header("location", self.location)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Liar, "heard", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


LIES = [b"", b"{}", b"null", b"[]", b"5", b'{"data": null, "has_more": false}', b'{"data": ["x"], "has_more": false}']


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_no_stackwright_gives_is_told_in_one_line(
    prompts: Prompts, liar: str, lie: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Liar, "answer", (200, lie))
    (tmp_path / "some.json").write_text('{"data": []}')
    for line in ("list", "show x", "diff x", "render x", "default x 1", "label x prod 1", "import some.json"):
        said = prompts(*line.split(), "--url", liar)
        assert (said.exit_code, said.stderr) == (1, f"{liar}/v1 answered, but not as a Stackwright does.\n")
        assert isinstance(said.exception, SystemExit)


def test_a_list_without_an_end_is_not_read_for_ever(
    prompts: Prompts, liar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Liar, "answer", (200, b'{"data": [], "has_more": true, "last_id": "pmpt_1"}'))
    for line in ("list", "export"):
        assert refusal(prompts(line, "--url", liar)) == f"{liar}/v1 answered, but not as a Stackwright does."
    assert len(Liar.heard) == 4


def test_a_key_and_a_change_go_nowhere_else(prompts: Prompts, liar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Liar, "answer", (302, b""))
    monkeypatch.setattr(Liar, "location", f"{liar.replace('127.0.0.1', 'localhost')}/login")
    for line in ("list", "default x 1"):
        told = refusal(prompts(*line.split(), "--url", liar, "--api-key", "hers"))
        assert f"leads to {Liar.location}. If that is the server, give --url its address." in told
    assert Liar.heard == ["GET Bearer hers", "PUT Bearer hers"]


def test_nothing_that_is_shown_commands_the_terminal(
    prompts: Prompts, liar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts("create", "-", "--name", "red\x1b[31m", stdin="Say\x1b[2J\tnothing.\n")
    shown = prompts("show", "red\x1b[31m").stdout
    assert r"red\x1b[31m" in shown
    assert "Say\\x1b[2J\tnothing." in shown
    exported = json.loads(prompts("export", "red\x1b[31m").stdout)
    assert exported["data"][0]["name"] == "red\x1b[31m"
    monkeypatch.setattr(Liar, "answer", (500, b'{"error": {"message": "\\u001b]0;mine\\u0007"}}'))
    assert refusal(prompts("list", "--url", liar)) == r"\x1b]0;mine\x07"

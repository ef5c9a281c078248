"""`stackwright prompts`: the prompts of a running server."""

import json
import time
from typing import Any

import click

from stackwright.cli.output import table
from stackwright.cli.remote import Answer, Refused, Remote, options

_PAGE = 100


@click.group()
def command() -> None:
    """List, publish, compare and move the prompts of a running server. PROMPT is an id or a name."""


@command.command("list")
@click.option("-q", "q", help="Only prompts whose name, id, text or note has this.")
@click.option("--tag", help="Only prompts with this tag.")
@click.option("--label", help="Only prompts with this label.")
@click.option("--archived", is_flag=True, help="Only deleted prompts.")
@options
def list_(server: Remote, q: str | None, tag: str | None, label: str | None, archived: bool) -> Answer:
    """List prompts, newest first."""
    found: list[Any] = []
    after: str | None = None
    while True:
        page = server.get(
            "prompts", q=q, tag=tag, label=label, archived=str(archived).lower(), limit=_PAGE, after=after
        )
        found += page["data"]
        after = page["last_id"]
        if not page["has_more"]:
            return Answer(found, _show_list)


def _show_list(prompts: list[Any]) -> None:
    if not prompts:
        click.echo("No prompts.", err=True)
        return
    table(
        ["id", "name", "default", "latest", "labels", "changed"],
        [
            (
                one["id"],
                one["name"] or "-",
                _default(one),
                str(one["latest_version"]),
                _labels(one),
                _when(one["updated_at"]),
            )
            for one in prompts
        ],
    )


@command.command()
@click.argument("prompt")
@click.option("--version", help="A number, a label, `latest`.")
@options
def show(server: Remote, prompt: str, version: str | None) -> Answer:
    """Show PROMPT: its text, its variables and its newest versions."""
    body = server.get("prompts", prompt, version=version)
    body["versions"] = server.get("prompts", prompt, "versions", limit=10)["data"]
    return Answer(body, _show_prompt)


def _show_prompt(body: Any) -> None:
    click.echo(click.style(body["name"] or body["id"], bold=True) + f"  {body['id']}")
    if body["description"]:
        click.echo(body["description"])
    click.echo(f"default {_default(body)}, latest {body['latest_version']}, labels {_labels(body)}")
    click.echo(f"variables {', '.join(body['variables']) or '-'}\n")
    click.echo(click.style(f"version {body['version']}", fg="cyan"))
    click.echo(body["prompt"] + "\n")
    table(["version", "when", "by", "note"], [_version(one) for one in body["versions"]])


def _version(one: Any) -> tuple[str, ...]:
    note = f"yanked: {one['yank_reason'] or '-'}" if one["yanked"] else one["note"] or "-"
    mark = " *" if one["is_default"] else ""
    return f"{one['version']}{mark}", _when(one["created_at"]), one["created_by"], note


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--name", help="A name, unique among your prompts.")
@click.option("--model", help="The model it shall use.")
@click.option("--note", help="Why.")
@options
def create(server: Remote, file: str, name: str | None, model: str | None, note: str | None) -> Answer:
    """Create a prompt from FILE, `-` for the standard input: its text or, in a file named .json, its content."""
    body = _given(name=name, model=model, note=note)
    return Answer(server.post("prompts", body=_content(file) | body), _show_changed)


@command.command()
@click.argument("prompt")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--base", type=int, help="The version it was made from; refused when another was published since.")
@click.option("--note", help="Why.")
@click.option("--label", "labels", multiple=True, help="Point this label at it. May be repeated.")
@options
def publish(
    server: Remote, prompt: str, file: str, base: int | None, note: str | None, labels: tuple[str, ...]
) -> Answer:
    """Publish FILE as the next version of PROMPT. A text replaces the text and keeps everything else."""
    content = _content(file)
    if set(content) == {"instructions"}:
        newest = server.get("prompts", prompt, "versions", limit=1)["data"][0]
        content = {"spec": newest["spec"] | content}
        base = newest["version"] if base is None else base
    body = content | _given(base_version=base, note=note) | ({"labels": list(labels)} if labels else {})
    return Answer(server.post("prompts", prompt, "versions", body=body), _show_published)


def _show_published(body: Any) -> None:
    is_default = ", the default" if body["is_default"] else ", not the default"
    click.echo(f"{body['prompt_id']}  version {body['version']}{is_default}  {body['hash'][:19]}")


@command.command()
@click.argument("prompt")
@click.argument("version")
@options
def default(server: Remote, prompt: str, version: str) -> Answer:
    """Point the default of PROMPT at VERSION: a number pins it there, `latest` lets it follow."""
    return Answer(server.put("prompts", prompt, "default", body={"version": version}), _show_changed)


@command.command()
@click.argument("prompt")
@click.argument("label")
@click.argument("version", required=False)
@click.option("--delete", is_flag=True, help="Take the label away.")
@options
def label(server: Remote, prompt: str, label: str, version: str | None, delete: bool) -> Answer:
    """Point LABEL of PROMPT at VERSION."""
    if delete:
        return Answer(server.delete("prompts", prompt, "labels", label), _show_changed)
    if version is None:
        raise click.UsageError("Say which VERSION, or --delete.")
    return Answer(server.put("prompts", prompt, "labels", label, body={"version": version}), _show_changed)


def _show_changed(body: Any) -> None:
    name = f"  {body['name']}" if body["name"] else ""
    latest = body["latest_version"]
    click.echo(f"{body['id']}{name}  default {_default(body)}, latest {latest}, labels {_labels(body)}")


@command.command()
@click.argument("prompt")
@click.argument("from", required=False)
@click.argument("to", required=False)
@options
def diff(server: Remote, prompt: str, to: str | None, **others: str | None) -> Answer:
    """Compare two versions of PROMPT: when not said, the latest with the one before."""
    return Answer(server.get("prompts", prompt, "diff", to=to, **others), _show_diff)


def _show_diff(body: Any) -> None:
    if body["identical"]:
        click.echo(f"{body['from_version']} and {body['to_version']} are the same.")
    else:
        click.echo(click.style(f"version {body['from_version']} to version {body['to_version']}", fg="cyan"))
    for one in body["messages"]:
        click.echo(click.style(f"{one['path']} {one['change']}", bold=True))
        for line in one["lines"]:
            click.echo(click.style(line, fg={"+": "green", "-": "red", "@": "cyan"}.get(line[:1])))
    for one in body["variables"]:
        kind = click.style("breaking", fg="red") if one["breaking"] else click.style("safe", fg="green")
        click.echo(f"variable {one['name']} {one['change']}, {kind}: {'; '.join(one['reasons'])}")
    for kind in ("settings", "tools"):
        for one in body[kind]:
            values = f"{json.dumps(one['before'])} -> {json.dumps(one['after'])}"
            click.echo(f"{kind.removesuffix('s')} {one['name']} {one['change']}: {values}")


@command.command()
@click.argument("prompt")
@click.option("--version", help="A number, a label, `latest`, `draft`.")
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable; NAME:=JSON for a value that is no text. May be repeated.",
)
@click.option("--input", "text", help="What the user says.")
@options
def render(server: Remote, prompt: str, version: str | None, variables: tuple[str, ...], text: str | None) -> Answer:
    """Show the request that PROMPT makes. No model is called."""
    given = dict(_pair(one) for one in variables)
    body = _given(version=version, input=text) | {"variables": given}
    return Answer(server.post("prompts", prompt, "render", body=body), _show_rendered)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--var {text}: write NAME=VALUE.")
    if not name.endswith(":"):
        return name, value
    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        raise click.UsageError(f"--var {text}: no JSON stands after :=, {error}.") from None


def _show_rendered(body: Any) -> None:
    request = dict(body["request"])
    click.echo(click.style(f"version {body['version']}", fg="cyan"))
    click.echo(request.pop("instructions", ""))
    request.pop("prompt")
    click.echo(json.dumps(request, indent=2, ensure_ascii=False))


@command.command()
@click.argument("prompts", nargs=-1)
@options
def export(server: Remote, prompts: tuple[str, ...]) -> Answer:
    """Print PROMPTS, or all of them, with every version, as JSON that `import` takes."""
    found: list[Any] = [one for name in prompts for one in server.get("prompts", "export", prompt=name)["data"]]
    after: str | None = None
    while not prompts:
        page = server.get("prompts", "export", after=after)
        found += page["data"]
        after = page["last_id"]
        if not page["has_more"]:
            break
    return Answer({"data": found}, lambda body: click.echo(json.dumps(body, indent=2, ensure_ascii=False)))


@command.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@options
def import_(server: Remote, file: str) -> Answer:
    """Import prompts from FILE under their own ids and version numbers. What is there already stays as it is."""
    return Answer(server.post("prompts", "import", body=_object(_read(file), file)), _show_imported)


def _show_imported(body: Any) -> None:
    rows = [(one["id"], one["status"], ", ".join(map(str, one["versions"])) or "-") for one in body["data"]]
    table(["id", "status", "new versions"], rows)


def _content(file: str) -> dict[str, Any]:
    text = _read(file)
    return _object(text, file) if file.endswith(".json") else {"instructions": text.removesuffix("\n")}


def _read(file: str) -> str:
    try:
        with click.open_file(file, encoding="utf-8") as stream:
            return str(stream.read())
    except OSError as error:
        raise Refused(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Refused(f"Cannot read {file}: it is not UTF-8 text (byte {error.start}).") from None


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Refused(f"{name} is no JSON: {error}.") from None
    if not isinstance(found, dict):
        raise Refused(f"{name} holds no JSON object: begin it with {{ and name the fields.")
    return found


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _default(prompt: Any) -> str:
    return f"{prompt['default_version']} ({prompt['default_policy']})"


def _labels(prompt: Any) -> str:
    return ", ".join(f"{name}={version}" for name, version in prompt["labels"].items()) or "-"


def _when(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

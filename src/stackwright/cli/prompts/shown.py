"""Prompts on the terminal."""

import json
import time
from typing import Any

import click

from stackwright.cli.output import table

_TEXT = ("instructions", "messages", "variables")


def listed(prompts: list[Any]) -> None:
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


def prompt(body: Any) -> None:
    click.echo(click.style(body["name"] or body["id"], bold=True) + f"  {body['id']}")
    if body["description"]:
        click.echo(body["description"])
    click.echo(f"default {_default(body)}, latest {body['latest_version']}, labels {_labels(body)}")
    click.echo(f"variables {', '.join(body['variables']) or '-'}\n")
    click.echo(click.style(f"version {body['version']}", fg="cyan"))
    for name, value in body["spec"].items():
        if name not in _TEXT:
            click.echo(f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    messages = body["spec"].get("messages") or ()
    if "instructions" in body["spec"] or not messages:
        click.echo("\n" + body["prompt"])
    for message in messages:
        said = message["content"]
        words = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        click.echo(f"\n{click.style(message['role'], fg='cyan')}: {words}")
    click.echo()
    table(["version", "when", "by", "note"], [_version(one) for one in body["versions"]])


def _version(one: Any) -> tuple[str, ...]:
    note = f"yanked: {one['yank_reason'] or '-'}" if one["yanked"] else one["note"] or "-"
    mark = " *" if one["is_default"] else ""
    return f"{one['version']}{mark}", _when(one["created_at"]), one["created_by"], note


def changed(body: Any) -> None:
    name = f"  {body['name']}" if body["name"] else ""
    latest = body["latest_version"]
    click.echo(f"{body['id']}{name}  default {_default(body)}, latest {latest}, labels {_labels(body)}")


def published(body: Any) -> None:
    is_default = ", the default" if body["is_default"] else ", not the default"
    click.echo(f"{body['prompt_id']}  version {body['version']}{is_default}  {body['hash'][:19]}")


def deleted(body: Any) -> None:
    click.echo(f"{body['id']}  deleted; `stackwright prompts restore {body['id']}` brings it back")


def yanked(body: Any) -> None:
    why = f": {body['yank_reason']}" if body["yank_reason"] else ""
    click.echo(f"{body['prompt_id']}  version {body['version']} yanked{why}")


def diff(body: Any) -> None:
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


def rendered(body: Any) -> None:
    request = dict(body["request"])
    click.echo(click.style(f"version {body['version']}", fg="cyan"))
    click.echo(request.pop("instructions", ""))
    request.pop("prompt")
    click.echo(json.dumps(request, indent=2, ensure_ascii=False))


def imported(body: Any) -> None:
    rows = [(one["id"], one["status"], ", ".join(map(str, one["versions"])) or "-") for one in body["data"]]
    table(["id", "status", "new versions"], rows)
    if body["dry_run"]:
        click.echo("Nothing was written.", err=True)


def _default(prompt: Any) -> str:
    return f"{prompt['default_version']} ({prompt['default_policy']})"


def _labels(prompt: Any) -> str:
    return ", ".join(f"{name}={version}" for name, version in prompt["labels"].items()) or "-"


def _when(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

"""What looks at prompts and changes nothing."""

import json
from typing import Any

import click

from stackwright.cli.prompts import shown
from stackwright.cli.prompts.given import given
from stackwright.cli.remote import Answer, Remote, options

_PAGE = 100


@click.command("list")
@click.option("-q", "q", help="Only prompts whose name, id, text or note has this.")
@click.option("--tag", help="Only prompts with this tag.")
@click.option("--label", help="Only prompts with this label.")
@click.option("--archived", is_flag=True, help="Only deleted prompts.")
@options
def list_(server: Remote, q: str | None, tag: str | None, label: str | None, archived: bool) -> Answer:
    """List prompts, newest first."""
    query = {"q": q, "tag": tag, "label": label, "archived": str(archived).lower(), "limit": _PAGE}
    return Answer(server.every("prompts", **query), shown.listed)


@click.command()
@click.argument("prompt")
@click.option("--version", help="A number, a label, `latest`.")
@options
def show(server: Remote, prompt: str, version: str | None) -> Answer:
    """Show PROMPT: its text, its variables, its model and settings, and its newest versions."""
    body = server.get("prompts", prompt, version=version)
    body["spec"] = server.get("prompts", body["id"], "versions", str(body["version"]))["spec"]
    body["versions"] = server.get("prompts", body["id"], "versions", limit=10)["data"]
    return Answer(body, shown.prompt)


@click.command()
@click.argument("prompt")
@click.argument("from", required=False)
@click.argument("to", required=False)
@options
def diff(server: Remote, prompt: str, to: str | None, **others: str | None) -> Answer:
    """Compare two versions of PROMPT: when not said, the latest with the one before."""
    return Answer(server.get("prompts", prompt, "diff", to=to, **others), shown.diff)


@click.command()
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
    body = given(version=version, input=text) | {"variables": dict(_pair(one) for one in variables)}
    return Answer(server.post("prompts", prompt, "render", body=body), shown.rendered)


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


COMMANDS = (list_, show, diff, render)

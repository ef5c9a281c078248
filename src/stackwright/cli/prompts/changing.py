"""What changes prompts and their versions."""

import sys

import click

from stackwright.cli.prompts import shown
from stackwright.cli.prompts.given import content_of, given
from stackwright.cli.remote import Answer, Remote, options


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--name", help="A name, unique among your prompts.")
@click.option("--model", help="The model it shall use.")
@click.option("--note", help="Why.")
@options
def create(server: Remote, file: str, name: str | None, model: str | None, note: str | None) -> Answer:
    """Create a prompt from FILE, `-` for the standard input: its text or, in a file named .json, its content."""
    body = given(name=name, model=model, note=note)
    return Answer(server.post("prompts", body=content_of(file) | body), shown.changed)


@click.command()
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
    content = content_of(file)
    if set(content) == {"instructions"}:
        newest = server.get("prompts", prompt, "versions", limit=1)["data"][0]
        content = {"spec": newest["spec"] | content}
        base = newest["version"] if base is None else base
    body = content | given(base_version=base, note=note) | ({"labels": list(labels)} if labels else {})
    return Answer(server.post("prompts", prompt, "versions", body=body), shown.published)


@click.command()
@click.argument("prompt")
@click.argument("version")
@options
def default(server: Remote, prompt: str, version: str) -> Answer:
    """Point the default of PROMPT at VERSION: a number pins it there, `latest` lets it follow."""
    return Answer(server.put("prompts", prompt, "default", body={"version": version}), shown.changed)


@click.command()
@click.argument("prompt")
@click.argument("label")
@click.argument("version", required=False)
@click.option("--delete", is_flag=True, help="Take the label away.")
@options
def label(server: Remote, prompt: str, label: str, version: str | None, delete: bool) -> Answer:
    """Point LABEL of PROMPT at VERSION."""
    if delete:
        return Answer(server.delete("prompts", prompt, "labels", label), shown.changed)
    if version is None:
        raise click.UsageError("Say which VERSION, or --delete.")
    return Answer(server.put("prompts", prompt, "labels", label, body={"version": version}), shown.changed)


_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("prompt")
@_yes
@options
def delete(server: Remote, prompt: str, yes: bool) -> Answer:
    """Delete PROMPT: no request can use it until `restore` brings it back."""
    _sure(f"Delete '{prompt}'? Requests that name it will fail.", yes)
    return Answer(server.delete("prompts", prompt), shown.deleted)


@click.command()
@click.argument("prompt")
@options
def restore(server: Remote, prompt: str) -> Answer:
    """Bring the deleted PROMPT back as it was."""
    return Answer(server.post("prompts", prompt, "restore", body={}), shown.changed)


@click.command()
@click.argument("prompt")
@click.argument("version", type=int)
@click.option("--reason", help="Why; whoever looks at the versions sees it.")
@_yes
@options
def yank(server: Remote, prompt: str, version: int, reason: str | None, yes: bool) -> Answer:
    """Take VERSION of PROMPT back for good: nothing can point at it any more. It stays readable under its number."""
    _sure(f"Yank version {version} of '{prompt}'? That cannot be undone.", yes)
    return Answer(
        server.post("prompts", prompt, "versions", str(version), "yank", body=given(reason=reason)), shown.yanked
    )


def _sure(question: str, yes: bool) -> None:
    """Ask on a terminal. Where there is none, nobody can answer: `--yes` must have been said."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on. Say --yes.")
    click.confirm(question, abort=True, err=True)


COMMANDS = (create, publish, default, label, delete, restore, yank)

"""What takes prompts from one server to another."""

import click

from stackwright.cli.prompts import shown
from stackwright.cli.prompts.given import prompts_in
from stackwright.cli.remote import Answer, Remote, options


@click.command()
@click.argument("prompts", nargs=-1)
@options
def export(server: Remote, prompts: tuple[str, ...]) -> Answer:
    """Print PROMPTS, or all of them, with every version, as JSON that `import` takes."""
    if not prompts:
        return Answer({"data": server.every("prompts", "export")})
    return Answer({"data": [one for name in prompts for one in server.get("prompts", "export", prompt=name)["data"]]})


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would come of it.")
@options
def import_(server: Remote, file: str, dry_run: bool) -> Answer:
    """Import prompts from FILE under their own ids and version numbers, all or none. What is there stays as it is."""
    body = prompts_in(file) | ({"dry_run": True} if dry_run else {})
    return Answer(server.post("prompts", "import", body=body), shown.imported)


COMMANDS = (export, import_)

"""The run files that come with the package."""

from pathlib import Path

NAMES = ("starter", "postgres")


def read(name: str) -> str:
    """Return the text of a template."""
    return Path(__file__).with_name(f"{name}.yaml").read_text(encoding="utf-8")

"""What a command is given: files and options."""

import json
from typing import Any

import click

from stackwright.cli.remote import Refused


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def content_of(file: str) -> dict[str, Any]:
    """Return what a file says of a version: its text or, in a file named .json, its content."""
    if file.endswith(".json"):
        return object_in(file)
    return {"instructions": _read(file).removesuffix("\n")}


def _read(file: str) -> str:
    try:
        # Windows puts a mark before the text, which is no part of it.
        with click.open_file(file, encoding="utf-8-sig") as stream:
            return str(stream.read())
    except OSError as error:
        raise Refused(f"Cannot read {file}: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Refused(f"Cannot read {file}: it is not UTF-8 text (byte {error.start}).") from None


def prompts_in(file: str) -> dict[str, Any]:
    """Return what a file says is to be imported: prompts under `data`, or only a list of them, or one alone."""
    found = _json_in(file)
    if isinstance(found, dict) and "versions" in found and "data" not in found:
        found = [found]
    if isinstance(found, list):
        return {"data": found}
    return _object(file, found)


def object_in(file: str) -> dict[str, Any]:
    """Return the JSON object that a file holds."""
    return _object(file, _json_in(file))


def _json_in(file: str) -> Any:
    try:
        return json.loads(_read(file))
    except ValueError as error:
        raise Refused(f"{file} is no JSON: {error}.") from None


def _object(file: str, found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Refused(f"{file} holds no JSON object: begin it with {{ and name the fields.")
    return found

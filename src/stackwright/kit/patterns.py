"""Regular expressions for whole texts."""

END = r"$(?!\n)"
"""The end of a text. Python's `$` alone stands before a last newline too, so that `name\\n` would pass for a name; in
other dialects the rest says nothing new."""


def whole(pattern: str) -> str:
    """Return a regular expression that only a whole text matches."""
    return f"^{pattern}{END}"

"""Paths of the run file. `~` is the home directory; other names are the file's own business, not a shell's."""

import re
from typing import Annotated

from pydantic import AfterValidator


def _no_shell(path: str) -> str:
    # Taken literally it would be made: a folder named `$HOME`, with the state in it.
    if found := re.match(r"\$([A-Za-z_][A-Za-z0-9_]*)", path):
        raise ValueError(f"Only a shell knows ${found[1]}: write ${{env.{found[1]}}} in its place")
    return path


PathText = Annotated[str, AfterValidator(_no_shell)]
"""Where a file or a folder is."""

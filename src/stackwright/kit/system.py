"""What the operating system says."""

import os
import re

_CODE = re.compile(r"\[Errno (\d+)\]")


def why(error: Exception) -> str:
    """Return why a connection failed, in the system's words: each event loop has its own for the same failure, and says
    it once for each address of a name."""
    codes = set(_CODE.findall(str(error)))
    if len(codes) == 1:
        return os.strerror(int(codes.pop()))
    return getattr(error, "strerror", None) or str(error)

"""Minting ids in OpenAI's style: a prefix that tells the kind, the second, and enough randomness never to collide."""

import os
import time


def mint(prefix: str) -> str:
    """Return `prefix` + 48 hexadecimal digits: 8 of the time, then 160 random bits.

    What is made together lies together in a database's indexes: a write touches their last page instead of any.
    """
    return f"{prefix}{int(time.time()):08x}{os.urandom(20).hex()}"

"""Minting ids in OpenAI's style: a prefix that tells the kind and enough randomness never to collide."""

import os


def mint(prefix: str) -> str:
    """Return `prefix` + 48 hexadecimal digits (192 random bits)."""
    return prefix + os.urandom(24).hex()

"""Credentials that may change while we run: refused ones are read again from where they came."""

import asyncio

from stackwright.config.secret import Secret
from stackwright.errors import Unreachable


class Credentials:
    """The secrets a backend logs in with."""

    def __init__(self, *secrets: Secret | None) -> None:
        self._secrets = [secret for secret in secrets if secret is not None]

    def used(self) -> tuple[str, ...]:
        """Return them as last read. Ask before logging in, for `changed`."""
        return tuple(secret.reveal() for secret in self._secrets)

    async def changed(self, used: tuple[str, ...]) -> bool:
        """Read them again from their files. True when they are not what was used, whoever read them first."""
        for secret in self._secrets:
            await asyncio.to_thread(secret.renew)
        return self.used() != used


def refusal(backend: str, where: str, reason: object = None) -> Unreachable:
    """Return what to raise when the server refuses what we log in with, read again or not."""
    return Unreachable(backend, f"{where} refuses our credentials{f' ({reason})' if reason else ''}.")

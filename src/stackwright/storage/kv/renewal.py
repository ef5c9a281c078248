"""Reading refused credentials again."""

import asyncio

from stackwright.config.secret import Secret
from stackwright.errors import Unavailable


async def renew(name: str, *secrets: Secret | None) -> bool:
    """Read a backend's secrets again from their files. True when one changed; `Unavailable` when one is gone."""
    try:
        return any([await asyncio.to_thread(secret.renew) for secret in secrets if secret is not None])
    except (OSError, ValueError) as error:
        raise Unavailable(f"Backend {name!r} refuses our credentials, and they cannot be read again.") from error

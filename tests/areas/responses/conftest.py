"""The service in this process, in front of a vendor."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stackwright.testing.upstream import Upstream, stream
from tests.areas.responses.asking import Asking, said, served


@pytest.fixture
async def vendor() -> AsyncIterator[Upstream]:
    """A vendor that says hello; set its `scripts` to have it say something else."""
    async with Upstream([stream(said("Hello ", "there."))]) as upstream:
        yield upstream


@pytest.fixture
async def ask(vendor: Upstream, tmp_path: Path) -> AsyncIterator[Asking]:
    """The service, on SQLite."""
    async with served(vendor, tmp_path) as asking:
        yield asking

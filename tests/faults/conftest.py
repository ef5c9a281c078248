"""A vendor that plays scripts, and a server in front of it."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stackwright.testing.upstream import Script, Upstream, answer
from tests.running import RunningServer

RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: up
      provider_type: remote::openai-compatible
      config: {base_url: "{base_url}", api_key: sk-planted-secret, models: [m], {settings}}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: "${env.HOME}/kvstore.db"}
    sql_default: {type: sql_sqlite, db_path: "${env.HOME}/sql_store.db"}
"""

ServerFor = Callable[..., RunningServer]


@pytest.fixture
async def vendor() -> AsyncIterator[Upstream]:
    """A vendor; set its `scripts` before asking it anything."""
    async with Upstream([answer({})]) as upstream:
        yield upstream


@pytest.fixture
def server_for(tmp_path: Path) -> Iterator[ServerFor]:
    """Start a server in front of a vendor, with more settings for the provider or more sections of the run file."""
    with ExitStack() as stack:

        def start(
            vendor: Upstream, *scripts: Script, settings: str = "connect_timeout: 2", more: str = ""
        ) -> RunningServer:
            vendor.scripts = list(scripts) or vendor.scripts
            run_file = RUN_FILE.replace("{base_url}", vendor.base_url).replace("{settings}", settings) + more
            return stack.enter_context(RunningServer(tmp_path, run_file))

        yield start

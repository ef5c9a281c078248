"""The package of the protocol is large: who never needs it never pays, and who says so in the run file pays early."""

import subprocess
import sys
from pathlib import Path

RUN_FILE = """\
version: 2
providers: {inference: [{provider_id: demo, provider_type: inline::scripted, config: {}}]}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: kv.db}
    sql_default: {type: sql_sqlite, db_path: sql.db}
"""
CONNECTORS = """\
registered_resources: {connectors: [{connector_id: shop, url: "https://shop.example/mcp"}]}
"""
SCRIPT = """\
import asyncio, sys
from stackwright.app.wiring import open_app
from stackwright.config.load import loads
from stackwright.providers.registry import TYPES
from stackwright.providers.tool_runtime import reach

async def serve(text, until):
    run = loads(text, environ={}, types=TYPES)
    async with open_app(run, workers=1, log_requests=False), asyncio.timeout(30):
        await asyncio.sleep(0.2)
        while not until():
            await asyncio.sleep(0.01)

def imported():
    return "mcp" in sys.modules

reach.SOON = 0
plain, connectors = sys.argv[1:]
asyncio.run(serve(plain, lambda: True))
assert not imported()
asyncio.run(serve(plain + connectors, imported))
"""


def test_only_with_connectors_the_package_is_imported_before_anybody_calls(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, RUN_FILE, CONNECTORS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")

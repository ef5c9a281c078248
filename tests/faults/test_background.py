"""Background responses whose servers are killed, paused and stopped, or asked by others: two on one database."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stackwright.testing import upstream as play
from stackwright.testing.upstream import Upstream, answer, completion, delta
from tests.areas.responses.asking import checked, checked_events
from tests.databases import backend_at
from tests.running import RunningServer
from tests.servers import PostgresServer
from tests.storage.sql.databases import eventually

Body = dict[str, Any]
LEASE = 1.5
RUN_FILE = """
version: 2
providers:
  inference:
    - provider_id: up
      provider_type: remote::openai-compatible
      config: {{base_url: "{vendor}", models: [m], max_retries: 0}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: "{folder}/kv.db"}}
    sql_default: {database}
server: {{grace_seconds: {grace}}}
responses: {{background: {{workers: {workers}, lease_seconds: {lease}}}}}
"""
WORD = [play.chunk(play.event(delta("word "))), play.pause(0.02)]
SLOW = [play.STREAM_HEAD, *WORD * 500]
END = [
    play.chunk(play.event(delta(finish="stop"))),
    play.chunk(play.event(b"[DONE]")),
    play.STREAM_END,
]


class Server:
    """A server, asked as a caller would."""

    def __init__(self, running: RunningServer, http: httpx2.AsyncClient) -> None:
        self.running = running
        self._http = http

    def send(self, sig: signal.Signals) -> None:
        assert self.running.process is not None
        self.running.process.send_signal(sig)

    async def ended(self, within: float) -> int:
        assert self.running.process is not None
        return await asyncio.to_thread(self.running.process.wait, within)

    async def asks(self, method: str, path: str, body: Body | None = None) -> Body:
        reply = await self._http.request(method, self.running.url + path, json=body)
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    async def accepts(self, **body: Any) -> str:
        """Return the id of a new background response; a streamed one goes on without us."""
        body = {"model": "up/m", "input": "Go.", "background": True, **body}
        if not body.get("stream"):
            return str((await self.asks("POST", "/v1/responses", body))["id"])
        async with self._http.stream("POST", self.running.url + "/v1/responses", json=body) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: "):
                    return str(json.loads(line.removeprefix("data: "))["response"]["id"])
        raise AssertionError("no event came")

    async def found(self, id: str) -> Body:
        return await self.asks("GET", f"/v1/responses/{id}")

    async def events(self, id: str, after: int | None = None, *, until: str = "") -> list[Body]:
        """Return the events after a number: all, or those up to the first whose type ends with `until`."""
        params = {"stream": "true"} | ({} if after is None else {"starting_after": str(after)})
        made: list[Body] = []
        async with self._http.stream("GET", f"{self.running.url}/v1/responses/{id}", params=params) as reply:
            async for line in reply.aiter_lines():
                if line.startswith("data: "):
                    made.append(json.loads(line.removeprefix("data: ")))
                    if until and made[-1]["type"].endswith(until):
                        break
        return made

    async def is_in(self, id: str, *statuses: str, within: float) -> Body:
        async def there() -> bool:
            return (await self.found(id))["status"] in statuses

        await eventually(there, seconds=within)
        return await self.found(id)


Start = Callable[..., Awaitable[Server]]


@pytest.fixture
async def start(vendor: Upstream, where: str, tmp_path: Path) -> AsyncIterator[Start]:
    """Start one more server on the same database."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=60))

        async def one(*, workers: int = 4, lease: float = LEASE, grace: float = 1) -> Server:
            folder = folders.pop(0)
            text = RUN_FILE.format(
                vendor=vendor.base_url,
                folder=tmp_path,
                database=backend_at(where),
                grace=grace,
                workers=workers,
                lease=lease,
            )
            running = RunningServer(folder, text)
            stack.callback(running.close)
            await asyncio.to_thread(running.start)
            return Server(running, http)

        yield one


def check_end(events: list[Body], stored: Body) -> None:
    """Check that a stream is whole: numbered without gap, closed what it opened, and told what is stored."""
    checked_events(b"".join(b"event: %b\ndata: %b\n\n" % (one["type"].encode(), _spelled(one)) for one in events))
    checked(json.loads(_spelled(stored)))
    closed = [one["item"] for one in events if one["type"] == "response.output_item.done"]
    opened = [one["item"]["id"] for one in events if one["type"] == "response.output_item.added"]
    assert [item["id"] for item in closed] == opened
    assert [one["response"] for one in events if one["type"] in TERMINAL] == [stored]
    assert events[-1]["type"] in TERMINAL
    assert stored["output"] == closed


TERMINAL = ("response.completed", "response.failed", "response.incomplete")


def _spelled(body: Body) -> bytes:
    # OpenAI's servers do not restart, so their document has no word for it.
    return json.dumps(body).replace('"code": "server_restart"', '"code": "server_error"').encode()


async def test_whatever_a_killed_server_was_at_another_ends(vendor: Upstream, start: Start) -> None:
    one = await start(workers=2)
    vendor.scripts = [[play.silence], SLOW]
    silent = await one.accepts()
    await vendor.asked(1)
    spoken = await one.accepts(stream=True)
    told = await one.events(spoken, until="output_text.delta")
    queued = await one.accepts()
    await eventually(lambda: _gauged(one, queued=1, running=2), seconds=5)
    assert (await one.found(queued))["status"] == "queued"
    one.send(signal.SIGKILL)
    vendor.scripts = [answer(completion("Done."))]
    two = await start()
    failed = await two.is_in(spoken, "failed", within=15)
    assert failed["error"]["code"] == "server_restart"
    events = await two.events(spoken)
    assert events[: len(told)] == told
    check_end(events, failed)
    for unheard in (silent, queued):
        done = await two.is_in(unheard, "completed", within=15)
        assert [part["text"] for item in done["output"] for part in item["content"]] == ["Done."]


async def _gauged(server: Server, **counts: int) -> bool:
    metrics = (await asyncio.to_thread(server.running.get, "/metrics")).body.decode()
    assert "stackwright_background_oldest_seconds" in metrics
    return all(
        f'stackwright_background_responses{{state="{state}"}} {count}.0' in metrics for state, count in counts.items()
    )


async def test_a_server_that_was_paused_for_longer_than_its_lease_tells_nothing_more(
    vendor: Upstream, start: Start
) -> None:
    one, two = await start(), await start(workers=1)
    # What two claims is this, for as long as it takes.
    vendor.scripts = [[play.silence]]
    await two.accepts()
    await vendor.asked(1)
    vendor.scripts = [[play.STREAM_HEAD, *WORD * 3, play.pause(3), *WORD * 500]]
    spoken = await one.accepts(stream=True)
    await two.events(spoken, until="output_text.delta")
    await _pause(one, two)
    failed = await two.is_in(spoken, "failed", within=LEASE + 10)
    assert failed["error"]["code"] == "server_restart"
    events = await two.events(spoken)
    check_end(events, failed)
    one.send(signal.SIGCONT)

    async def one_has_left() -> bool:
        return vendor.open <= 1

    await eventually(one_has_left, seconds=10)
    assert await one.events(spoken) == await two.events(spoken) == events
    assert await one.found(spoken) == failed


async def _pause(one: Server, two: Server) -> None:
    """Pause a server between two of its transactions: in one, it would hold the lock of the SQLite file."""
    while True:
        one.send(signal.SIGSTOP)
        try:
            async with asyncio.timeout(1):
                await two.asks("POST", "/v1/conversations", {})
        except TimeoutError:
            one.send(signal.SIGCONT)
        else:
            return


async def test_a_server_that_stops_ends_what_it_can_and_hands_the_rest_over(vendor: Upstream, start: Start) -> None:
    one = await start(lease=30, grace=3)
    vendor.scripts = [[play.silence], [play.STREAM_HEAD, *WORD * 50, *END]]
    silent = await one.accepts()
    await vendor.asked(1)
    spoken = await one.accepts(stream=True)
    await one.events(spoken, until="output_text.delta")
    vendor.scripts = [answer(completion("Done."))]
    two = await start(lease=30)
    one.send(signal.SIGTERM)
    assert await one.ended(within=10) == 0
    # Long before the lease is over.
    for begun in (silent, spoken):
        assert (await two.is_in(begun, "completed", "failed", "cancelled", within=5))["status"] == "completed"
    check_end(await two.events(spoken), await two.found(spoken))


async def test_any_server_cancels_and_reads_along_from_any_place(vendor: Upstream, start: Start) -> None:
    one = await start()
    vendor.scripts = [[play.STREAM_HEAD, *WORD * 30, play.silence]]
    spoken = await one.accepts(stream=True)
    await one.events(spoken, until="output_text.delta")
    two = await start()
    places = (None, *range(8))
    reading = [asyncio.create_task(two.events(spoken, after)) for after in places]
    await two.events(spoken, 12, until="output_text.delta")
    async with asyncio.timeout(2):
        cancelled = await two.asks("POST", f"/v1/responses/{spoken}/cancel")
        assert cancelled["status"] == "cancelled"
        assert await vendor.closed(2)
    check_end(whole := await one.events(spoken), cancelled)
    for after, rest in zip(places, await asyncio.gather(*reading), strict=True):
        assert rest == whole[0 if after is None else after + 1 :]
    rests = await asyncio.gather(*(two.events(spoken, after) for after in range(len(whole))))
    assert rests == [whole[after + 1 :] for after in range(len(whole))]


async def test_of_a_hundred_at_once_each_ends_once_though_a_server_is_killed(vendor: Upstream, start: Start) -> None:
    one, two = await start(workers=8), await start(workers=8)
    whole = [play.pause(0.15), *answer(completion("Done."))]
    vendor.scripts = [whole]
    ids = await asyncio.gather(*((one, two)[place % 2].accepts() for place in range(100)))
    await vendor.asked(50, seconds=30)
    one.send(signal.SIGKILL)
    for made in ids:
        done = await two.is_in(made, "completed", within=30)
        assert [part["text"] for item in done["output"] for part in item["content"]] == ["Done."]
    listed = await two.asks("GET", "/v1/responses?limit=100")
    assert {response["id"] for response in listed["data"]} == set(ids)
    # What the killed server was at was asked again, and nothing else.
    assert 100 <= len(vendor.requests) <= 108


@pytest.mark.parametrize("where", ["postgres"], indirect=True)
async def test_a_crash_of_the_database_costs_no_word(
    vendor: Upstream, start: Start, postgres_server: PostgresServer
) -> None:
    one = await start(lease=30)
    vendor.scripts = [[play.STREAM_HEAD, *WORD * 50, *END]]
    spoken = await one.accepts(stream=True)
    await one.events(spoken, until="output_text.delta")
    await asyncio.to_thread(postgres_server.stop, "immediate")
    await asyncio.to_thread(postgres_server.start)
    await asyncio.to_thread(one.running.wait_for, f"/v1/responses/{spoken}")
    done = await one.is_in(spoken, "completed", "failed", within=10)
    assert (done["status"], done["output"][0]["content"][0]["text"]) == ("completed", "word " * 50)
    check_end(await one.events(spoken), done)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
async def test_secrets_are_made_from_memory_and_written_nowhere(vendor: Upstream, start: Start, tmp_path: Path) -> None:
    one = await start()
    variables = {"name": {"type": "string"}, "pin": {"type": "string", "sensitive": True}}
    spec = {"instructions": "{{ name }} has the pin {{ pin }}.", "variables": variables}
    prompt = (await one.asks("POST", "/v1/prompts", {"spec": spec}))["id"]
    given = {"id": prompt, "variables": {"name": "Ada", "pin": "planted-secret"}}
    vendor.scripts = [answer(completion("Done.")), [play.silence]]
    done = await one.is_in(await one.accepts(prompt=given), "completed", within=5)
    assert done["prompt"]["variables"] == {"name": "Ada"}
    lost = await one.accepts(prompt=given)
    await vendor.asked(2)
    two = await start()
    one.send(signal.SIGKILL)
    failed = await two.is_in(lost, "completed", "failed", within=10)
    assert failed["error"]["code"] == "server_restart"
    assert [b"planted-secret" in request.body for request in vendor.requests] == [True, True]
    assert [file.name for file in _files(tmp_path) if b"planted-secret" in file.read_bytes()] == []


def _files(folder: Path) -> list[Path]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {"sql.db", "kv.db", "log"} <= {file.name for file in files}
    return files

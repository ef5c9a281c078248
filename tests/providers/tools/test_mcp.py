"""MCP servers through our port: real ones over both transports, and others that do what servers should not."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stackwright.config.responses import Mcp
from stackwright.ports.tools import ToolAddress, ToolOutput, ToolServer, ToolServerError
from stackwright.providers.tool_runtime.guard import MAX_VALUES, values_in
from stackwright.providers.tool_runtime.mcp import MAX_BYTES, MAX_TOOLS
from stackwright.providers.tool_runtime.reach import Reach
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Script, Upstream
from tests.servers_mcp import McpToolServer

TLS = Path(__file__).parents[1] / "tls"
HTTP, SSE = "url", "sse_url"
both = pytest.mark.parametrize("transport", [HTTP, SSE])


@asynccontextmanager
async def opened(
    url: str,
    *,
    private: Sequence[str] = ("localhost", "127.0.0.1"),
    headers: dict[str, str] | None = None,
    **settings: Any,
) -> AsyncIterator[ToolServer]:
    reach = Reach(Mcp(allow_private=tuple(private), **settings))
    address = ToolAddress(label="workshop", url=url, headers=headers or {})
    await reach.check(address)
    server = reach.server(address)
    try:
        yield server
    finally:
        await server.close()


def url_of(server: McpToolServer, transport: str) -> str:
    url: str = getattr(server, transport)
    return url


@both
async def test_a_server_says_which_tools_it_has(mcp_server: McpToolServer, transport: str) -> None:
    async with opened(url_of(mcp_server, transport)) as server:
        tools = {tool.name: tool for tool in await server.tools()}
    add = tools["add"]
    assert (add.description, add.annotations) == ("Add two numbers.", {"readOnlyHint": True})
    assert add.input_schema["required"] == ["a", "b"]
    assert tools["files.burn"].annotations is None


@both
async def test_tools_are_called_with_what_the_caller_sends_along(mcp_server: McpToolServer, transport: str) -> None:
    async with opened(url_of(mcp_server, transport), headers={"Authorization": "Bearer t0ken"}) as server:
        assert await server.call("add", {"a": 2, "b": 3}) == ToolOutput("5")
        assert await server.call("whoami", {}) == ToolOutput("Bearer t0ken")
        assert await server.call("draw", {}) == ToolOutput("A dot:\n[image/png, which cannot be shown here]")


@both
async def test_a_tool_that_fails_says_so(mcp_server: McpToolServer, transport: str) -> None:
    async with opened(url_of(mcp_server, transport)) as server:
        assert (await server.call("fail", {})).failed
        assert (await server.call("add", {"a": "many"})).failed
        assert await server.call("nothing", {}) == ToolOutput("Unknown tool: nothing", failed=True)


@both
async def test_calls_at_the_same_time_share_a_session(mcp_server: McpToolServer, transport: str) -> None:
    async with opened(url_of(mcp_server, transport)) as server:
        sums = await asyncio.gather(*(server.call("add", {"a": n, "b": n}) for n in range(10)))
    assert [output.text for output in sums] == [str(2 * n) for n in range(10)]


@both
async def test_what_is_too_long_is_cut_off_and_what_is_far_too_long_is_refused(
    mcp_server: McpToolServer, transport: str
) -> None:
    async with opened(url_of(mcp_server, transport), max_output_bytes=1000) as server:
        output = await server.call("say_much", {"size": 2000})
        assert output.text == "x" * 1000 + "\n[cut off here: 2000 bytes, 1000 are shown]"
        with pytest.raises(ToolServerError, match="too long"):
            await server.call("say_much", {"size": MAX_BYTES})
        assert await server.call("add", {"a": 1, "b": 1}) == ToolOutput("2")


@both
async def test_a_call_that_takes_too_long_is_given_up_and_others_go_on(
    mcp_server: McpToolServer, transport: str
) -> None:
    async with opened(url_of(mcp_server, transport), call_seconds=0.5) as server:
        await server.tools()
        with pytest.raises(ToolServerError, match="in time") as late:
            await server.call("wait", {"seconds": 60})
        assert late.value.rpc is not None
        assert await server.call("add", {"a": 1, "b": 1}) == ToolOutput("2")


@both
async def test_cancelling_cancels_the_call_on_the_server(mcp_server: McpToolServer, transport: str) -> None:
    before = mcp_server.seen["cancelled"], len(mcp_server.seen["called"])
    async with opened(url_of(mcp_server, transport)) as server:
        calling = asyncio.create_task(server.call("wait", {"seconds": 60}))
        await until(lambda: len(mcp_server.seen["called"]) > before[1])
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await until(lambda: mcp_server.seen["cancelled"] == before[0] + 1)


async def test_a_server_that_dies_fails_the_call_and_is_called_again_when_it_is_back(mcp_server: McpToolServer) -> None:
    async with opened(mcp_server.url) as server, opened(mcp_server.sse_url) as other:
        await asyncio.gather(server.tools(), other.tools())
        failures = await asyncio.gather(
            server.call("die", {}), other.call("wait", {"seconds": 60}), return_exceptions=True
        )
        assert [type(failure) for failure in failures] == [ToolServerError] * 2
        for one in (server, other):
            with pytest.raises(ToolServerError, match="cannot be reached"):
                await one.call("add", {"a": 1, "b": 1})
        mcp_server.kill()
        await asyncio.to_thread(mcp_server.start)
        for one in (server, other):
            assert await one.call("add", {"a": 1, "b": 1}) == ToolOutput("2")


async def test_a_server_that_is_down_cannot_be_reached() -> None:
    async with opened(f"http://localhost:{McpToolServer().port}/mcp") as server:
        with pytest.raises(ToolServerError, match=r"^It cannot be reached\.$"):
            await server.tools()


@pytest.mark.parametrize(
    "script", [[play.silence], [play.head(200, {"content-type": "text/event-stream"}), play.silence]]
)
async def test_a_server_that_says_nothing_is_given_up(script: Script) -> None:
    async with Upstream([script]) as nobody, opened(nobody.base_url, connect_seconds=0.3) as server:
        started = time.monotonic()
        with pytest.raises(ToolServerError, match="in time"):
            await server.tools()
        assert time.monotonic() - started < 5
    assert nobody.open == 0


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (play.answer(b"<html>", 200, {"content-type": "text/html"}), "content type"),
        (play.answer(b"{", 200), "^Its answer is not one of this protocol.$"),
        (play.answer(b"[" + b"0," * MAX_VALUES + b"0]", 200), "too long"),
        ([play.STREAM_HEAD, play.chunk(b"data: [" + b"0,\ndata: " * MAX_VALUES + b"0]\n\n")], "too many values"),
        (play.answer({"jsonrpc": "2.0", "id": 99, "result": {}}), "in time"),
        (play.answer({"jsonrpc": "2.0", "id": 1, "result": {"tools": 7}}), "protocol|in time"),
        (play.answer({}, 500), r"status 500 \(Internal Server Error\)"),
        (play.answer({}, 401), r"status 401 \(Unauthorized\)"),
        (play.answer({}, 404), r"status 404|SSE"),
        (
            [play.head(200, {"content-type": "application/json", "content-length": "99"}), b"{", play.hang_up],
            "broke off",
        ),
        ([play.reset], "broke off|reached"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n", play.hang_up], "broke off"),
        (play.answer(b" " * (MAX_BYTES + 1)), "too long"),
        (play.answer(b"\x1f\x8b", 200, {"content-encoding": "gzip"}), "broke off"),
        ([play.STREAM_HEAD, play.chunk(b"data: " + b"x" * 2**21)], "exceeded the 1048576 byte limit"),
    ],
)
async def test_nonsense_is_a_failure_and_never_a_hang(script: Script, message: str) -> None:
    patience = 2 if "in time" in message else 30
    async with Upstream([script]) as odd, opened(odd.base_url, connect_seconds=patience) as server:
        with pytest.raises(ToolServerError, match=message):
            await asyncio.wait_for(server.tools(), 60)
    assert await odd.closed()


NOTE = b'data: {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "."}}'


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
async def test_a_server_that_says_something_for_ever_is_stopped(end: bytes) -> None:
    forever = [play.STREAM_HEAD, *[play.chunk((NOTE + end + end) * 100)] * 1000]
    async with Upstream([forever]) as flood, opened(flood.base_url, connect_seconds=50) as server:
        with pytest.raises(ToolServerError, match="too long"):
            await asyncio.wait_for(server.tools(), 20)
    assert await flood.closed()


@pytest.mark.parametrize(
    ("kind", "crumbs"),
    [
        ("application/json", play.chunk(b" ") * 1000),
        ("text/event-stream", play.chunk(b" ") * 1000),
        ("text/event-stream", play.chunk(b":\n" * 1000)),
    ],
)
async def test_an_answer_in_crumbs_is_left_before_it_takes_the_loop(kind: str, crumbs: bytes) -> None:
    head = play.head(200, {"content-type": kind, "transfer-encoding": "chunked"})
    async with Upstream([[head, *[crumbs] * 1000]]) as flood:
        async with opened(flood.base_url, connect_seconds=50) as server:
            with pytest.raises(ToolServerError, match="too long"):
                await asyncio.wait_for(server.tools(), 30)
        assert await flood.closed()


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints\r\nlink: </x>; rel=preload"])
async def test_a_server_that_says_only_that_it_will_answer_is_left_soon(status: bytes) -> None:
    soon = b"HTTP/1.1 %b\r\n\r\n" % status
    async with Upstream([[*[soon * 1000] * 100_000]]) as flood:
        async with opened(flood.base_url) as server:
            with pytest.raises(ToolServerError, match="too long"):
                await server.tools()
        assert await flood.closed()


async def test_an_answer_may_be_announced_first() -> None:
    tools = {"tools": [{"name": "add", "inputSchema": {"type": "object"}}]}
    polite = [b"HTTP/1.1 100 Continue\r\n\r\n" * 50, _answering(tools)]
    async with Upstream([polite]) as talker, opened(talker.base_url) as server:
        assert [tool.name for tool in await server.tools()] == ["add"]


async def test_small_messages_may_not_come_to_what_a_large_one_may_not() -> None:
    some = b'data: {"jsonrpc": "2.0", "method": "x", "params": {"a": [' + b"0," * (MAX_VALUES // 10) + b"0]}}\n\n"
    forever = [play.STREAM_HEAD, *[play.chunk(some)] * 1000]
    async with Upstream([forever]) as flood, opened(flood.base_url, connect_seconds=50) as server:
        with pytest.raises(ToolServerError, match="too long"):
            await asyncio.wait_for(server.tools(), 30)
    assert await flood.closed()


async def test_what_was_said_in_answer_to_one_question_is_forgotten_for_the_next(mcp_server: McpToolServer) -> None:
    async with opened(mcp_server.url) as server:
        for _ in range(5):
            asked = [server.call("say_much", {"size": 900_000}) for _ in range(2)]
            assert all(output.text.startswith("xxx") for output in await asyncio.gather(*asked))


async def test_a_server_that_lists_for_ever_is_stopped() -> None:
    tool = {"name": "t", "inputSchema": {"type": "object"}}
    page = {"tools": [tool] * (MAX_TOOLS // 2), "nextCursor": "more", "resultType": "complete"}
    async with Upstream([[_answering(page)]]) as endless, opened(endless.base_url, connect_seconds=5) as server:
        with pytest.raises(ToolServerError, match=str(MAX_TOOLS)):
            await server.tools()


async def test_what_a_server_says_of_itself_is_limited() -> None:
    tool = {"name": "t", "description": "x" * 500_000, "inputSchema": {"type": "object"}}
    page = {"tools": [tool], "nextCursor": "more", "resultType": "complete"}
    async with Upstream([[_answering(page)]]) as talker, opened(talker.base_url, connect_seconds=20) as server:
        with pytest.raises(ToolServerError, match=f"more than {MAX_BYTES} bytes"):
            await server.tools()
    error = {"code": -32000, "message": "x" * 100_000}
    async with Upstream([[_answering({}, error)]]) as talker, opened(talker.base_url) as server:
        with pytest.raises(ToolServerError, match=r"^x{1000}$"):
            await server.tools()


async def test_a_stream_that_is_refused_beside_the_messages_is_no_failure() -> None:
    async with Upstream([[_answering({"tools": 7})]]) as odd, opened(odd.base_url) as server:
        with pytest.raises(ToolServerError, match="not one of this protocol"):
            await server.tools()
        await odd.asked(5)
    assert "GET" in [request.method for request in odd.requests]


async def test_a_redirect_to_another_server_is_not_followed(mcp_server: McpToolServer) -> None:
    moved = play.answer(b"", 307, {"location": mcp_server.url})
    before = mcp_server.seen["listed"]
    async with Upstream([moved]) as liar, opened(liar.base_url, private=["127.0.0.1"]) as server:
        with pytest.raises(ToolServerError, match=r"^It redirects \(307\)"):
            await server.tools()
    assert mcp_server.seen["listed"] == before


def test_only_what_is_outside_of_texts_is_counted() -> None:
    assert values_in(rb'{"a": "x, y\" [[", "b": [1, 2]}') == 7
    assert values_in(b'"' + b"," * 100_000 + b'"') == 1
    assert values_in(b'"' + rb"\"" * 100_000) == 1


async def test_a_certificate_is_for_the_name_and_not_for_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    async with Upstream([play.answer({}, 500)], tls=context) as vendor:
        async with opened(f"https://localhost:{vendor.port}/mcp") as server:
            with pytest.raises(ToolServerError, match="status 500"):
                await server.tools()
        assert vendor.requests[0].headers["host"] == f"localhost:{vendor.port}"
        # The same address by a name that the certificate does not have.
        async with opened(f"https://127.1:{vendor.port}/mcp", private=["127.0.0.1"]) as server:
            with pytest.raises(ToolServerError, match="cannot be reached"):
                await server.tools()


async def test_no_proxy_comes_between(mcp_server: McpToolServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with opened(mcp_server.url) as server:
        assert await server.tools()


async def test_closing_ends_the_session_at_once_also_while_it_is_being_opened() -> None:
    async with Upstream([[play.silence]]) as silent, opened(silent.base_url) as server:
        asking = asyncio.create_task(server.tools())
        await silent.asked()
        started = time.monotonic()
        await server.close()
        assert time.monotonic() - started < 1
        asking.cancel()
        assert await silent.closed()
        with pytest.raises(asyncio.CancelledError):
            await asking


def _answering(result: Any, error: Any = None) -> Any:
    """Answer each request with the same result, or error, under its own id; refuse a stream beside that."""

    def step(upstream: Upstream, writer: asyncio.StreamWriter) -> None:
        sent = json.loads(upstream.requests[-1].body or b"{}")
        body = {"jsonrpc": "2.0", "id": sent.get("id"), "result": result}
        if error is not None:
            body = {"jsonrpc": "2.0", "id": sent.get("id"), "error": error}
        if sent.get("method") == "initialize":
            body = {"jsonrpc": "2.0", "id": sent["id"], "result": INITIALIZED}
        if sent.get("method") == "server/discover":
            body = {"jsonrpc": "2.0", "id": sent["id"], "error": {"code": -32601, "message": "no"}}
        # With a session, the client opens a stream beside the messages.
        session = {"mcp-session-id": "s"}
        [answer] = play.answer(body, headers=session) if "id" in sent else play.answer(b"", 202 if sent else 405)
        assert isinstance(answer, bytes)
        writer.write(answer)

    return step


INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "odd", "version": "1"},
}


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds that is looked up over HTTP."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(holds):
        assert time.monotonic() < deadline

"""The OpenAI-compatible adapter against a vendor on a socket: what is sent, what comes back, what goes wrong."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop

from stackwright.config.secret import Secret, Substituted
from stackwright.errors import (
    InvalidRequest,
    RateLimited,
    StackwrightError,
    UpstreamAuth,
    UpstreamError,
    UpstreamTimeout,
)
from stackwright.ports.inference import Chunk, ModelCall, Offer
from stackwright.providers.inference.config import Config, Quirks
from stackwright.providers.inference.openai_compatible import OpenAICompatible, connect
from stackwright.testing.upstream import (
    STREAM_END,
    STREAM_HEAD,
    Script,
    Upstream,
    answer,
    chunk,
    completion,
    delta,
    event,
    hang_up,
    head,
    pause,
    reset,
    silence,
    stream,
)

ALL = Quirks(type="remote::test", ports=frozenset({"completions", "embeddings", "moderations"}))
HELLO = [delta("Hel"), delta("lo"), delta(finish="stop")]


def call(**params: Any) -> ModelCall:
    params = params or {"messages": [{"role": "user", "content": "hi"}]}
    return ModelCall("m", {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in params.items()})


@asynccontextmanager
async def serving(
    *scripts: Script, quirks: Quirks = ALL, **settings: Any
) -> AsyncIterator[tuple[Upstream, OpenAICompatible]]:
    async with Upstream(list(scripts)) as vendor:
        config = Config.model_validate({"base_url": vendor.base_url, **settings})
        async with connect(config, quirks) as provider:
            yield vendor, provider


async def read(provider: OpenAICompatible, asked: ModelCall | None = None) -> list[Chunk]:
    async with provider.chat.stream(asked or call()) as batches:
        return [one async for batch in batches for one in batch]


async def test_the_request_is_the_callers_json_under_the_vendors_name() -> None:
    async with serving(answer(completion()), api_key="sk-123", headers={"X-Team": "blue"}) as (vendor, provider):
        await provider.chat.complete(call(messages=[], seed=12345678901234567890, unknown={"a": 1.10}))
    (request,) = vendor.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.body == b'{"model":"m","messages":[],"seed":12345678901234567890,"unknown":{"a":1.1}}'
    assert request.headers["authorization"] == "Bearer sk-123"
    assert request.headers["x-team"] == "blue"
    assert request.headers["content-type"] == "application/json"


async def test_a_good_answer_comes_back_byte_by_byte_as_it_was() -> None:
    body = json.dumps(completion(vendor_says={"x": [1.10, None]}), indent=2).encode()
    async with serving(answer(body)) as (_, provider):
        assert await provider.chat.complete(call()) == body


async def test_an_answer_in_many_pieces_is_one_answer() -> None:
    body = json.dumps(completion("word " * 50_000)).encode()
    pieces = [chunk(body[at : at + 1000]) for at in range(0, len(body), 1000)]
    async with serving([STREAM_HEAD, *pieces, STREAM_END]) as (_, provider):
        assert await provider.chat.complete(call()) == body


async def test_a_stream_comes_chunk_by_chunk_and_asks_for_nothing_of_its_own() -> None:
    async with serving(stream(HELLO)) as (vendor, provider):
        chunks = await read(provider)
    assert [json.loads(one.data) for one in chunks] == HELLO
    assert [one.finished for one in chunks] == [False, False, True]
    assert vendor.requests[0].json == {**json.loads(b'{"model": "m"}'), **_messages(), "stream": True}


def _messages() -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}]}


async def test_usage_in_a_stream_is_read() -> None:
    spent = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    events = [*HELLO, {**delta(), "choices": [], "usage": spent}]
    async with serving(stream(events)) as (_, provider):
        chunks = await read(provider)
    assert msgspec.to_builtins(chunks[-1].usage) == spent


async def test_a_chunk_is_there_before_the_next_one_is_made() -> None:
    script: Script = [STREAM_HEAD, chunk(event(delta("now"))), silence]
    async with serving(script) as (_, provider), provider.chat.stream(call()) as batches:
        async with asyncio.timeout(2):
            (first,) = await anext(aiter(batches))
    assert json.loads(first.data) == delta("now")


async def test_twenty_calls_and_streams_use_one_connection() -> None:
    scripts: list[Script] = [answer(completion()), stream(HELLO)] * 10
    async with serving(*scripts) as (vendor, provider):
        for _ in range(10):
            await provider.chat.complete(call())
            await read(provider)
            await asyncio.sleep(0.01)
    assert vendor.connections == 1


async def test_a_kept_connection_that_the_vendor_closed_costs_no_error() -> None:
    closing: Script = [*answer(completion()), pause(0.05), hang_up]
    async with serving(closing, max_retries=0) as (vendor, provider):
        for _ in range(3):
            await provider.chat.complete(call())
            await vendor.closed()
    assert vendor.connections == 3


async def test_nagle_is_off() -> None:
    async with serving(answer(completion())) as (_, provider):
        await provider.chat.complete(call())
        (connection,) = provider._vendor.client._idle
        assert connection._transport is not None
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# Cuts.

CONTENT = b"".join(event(one) for one in HELLO)


@pytest.mark.parametrize("how", ["reset", "clean end", "broken encoding"])
async def test_a_stream_cut_at_any_byte_is_no_success(how: str) -> None:
    ends: dict[str, list[Any]] = {
        "reset": [pause(0.001), reset],
        "clean end": [STREAM_END],
        "broken encoding": [b"ZZ\r\n", hang_up],
    }
    complete = len(CONTENT) - 2 if how == "clean end" else len(CONTENT) + 1
    scripts: list[Script] = [
        [STREAM_HEAD, *([chunk(CONTENT[:k])] if k else []), *ends[how]] for k in range(len(CONTENT) + 1)
    ]
    async with serving(*scripts, max_retries=0) as (_, provider):
        for k in range(len(CONTENT) + 1):
            if k >= complete:
                assert await read(provider)
            else:
                with pytest.raises(UpstreamError):
                    await read(provider)


async def test_what_came_before_the_cut_was_delivered() -> None:
    script = [STREAM_HEAD, chunk(event(delta("Hel"))), pause(0.02), reset]
    async with serving(script) as (_, provider), provider.chat.stream(call()) as batches:
        got = await anext(aiter(batches))
        with pytest.raises(UpstreamError, match="connection was reset"):
            await anext(aiter(batches))
    assert [json.loads(one.data) for one in got] == [delta("Hel")]


async def test_a_clean_end_counts_the_choices_that_were_asked_for() -> None:
    one = [delta("a"), delta(finish="stop")]
    both = [*one, delta("b", index=1), delta(finish="stop", index=1)]
    async with serving(stream(both, done=False), stream(one, done=False), stream(one)) as (_, provider):
        assert len(await read(provider, call(n=2))) == 4
        with pytest.raises(UpstreamError, match="without a finish_reason"):
            await read(provider, call(n=2))
        assert len(await read(provider, call(n=2))) == 2, "a vendor without `n` still ends with [DONE]"


DEEP = b"[" * 5000 + b"]" * 5000
BAD_STREAMS: dict[str, tuple[Script, str]] = {
    "garbage": (stream([b"{not json"]), "no JSON"),
    "garbage after a fault": (stream([b'{"id": 7, oops']), "no JSON"),
    "a number": (stream([b"123"]), "no object"),
    "bad utf-8": (stream([b'{"a": "\xff"}']), "no JSON"),
    "an error event": (stream([delta("x"), {"error": {"message": "out of memory"}}]), "out of memory"),
    "an error as finish": (stream([delta("x"), delta(finish="error")]), "finish_reason 'error'"),
    "done without finish": (stream([delta("x")]), "without a finish_reason"),
    "nothing": ([STREAM_HEAD, STREAM_END], "without a finish_reason"),
    "json": (answer({"error": {"message": "no streams here"}}), "no streams here"),
    "html": (answer(b"<html>login</html>", headers={"content-type": "text/html"}), "<html>login"),
    "not http": ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n", hang_up], "not HTTP"),
    "deep json": (stream([b'{"id":"x","z":' + DEEP + b"}"]), "no JSON"),
    "deep json at the end": (stream([*HELLO, b'{"choices":' + DEEP + b"}"]), "no JSON"),
    "gzip": (answer(b"\x1f\x8b", headers={"content-encoding": "gzip"}), "unasked: content-encoding 'gzip'"),
    "a long event": ([STREAM_HEAD, *[chunk(b"data: " + b"x" * 999_999 + b"\n")] * 5, silence], "more than 4194304"),
}


@pytest.mark.parametrize("name", BAD_STREAMS)
async def test_a_bad_stream_says_why(name: str) -> None:
    script, why = BAD_STREAMS[name]
    async with serving(script, max_retries=0) as (_, provider):
        with pytest.raises(UpstreamError, match=why) as caught:
            await read(provider)
    assert caught.value.message.startswith("remote::test at http://127.0.0.1:")
    assert caught.value.status == 502


async def test_a_line_of_a_hundred_megabytes_is_not_swallowed() -> None:
    piece = chunk(b"x" * 1_000_000)
    async with serving([STREAM_HEAD, chunk(b"data: "), *[piece] * 100, silence]) as (vendor, provider):
        with pytest.raises(UpstreamError, match="line of more than 1048576 bytes"):
            await read(provider)
        assert await vendor.closed()


async def test_a_reader_that_stops_stops_the_vendor() -> None:
    sent = 0

    def count(_: Upstream, __: Any) -> None:
        nonlocal sent
        sent += 1

    steps: list[Any] = [step for _ in range(2000) for step in (chunk(event(delta("x" * 10_000))), count)]
    async with serving([STREAM_HEAD, *steps, silence]) as (_, provider), provider.chat.stream(call()) as batches:
        await anext(aiter(batches))
        await asyncio.sleep(0.3)
        assert sent < 1500, "20 MB were to be sent; the sockets' buffers and ours take a few"


SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda content: content.replace(b"\n", b"\r\n"),
    "no space": lambda content: content.replace(b"data: ", b"data:"),
    "comments": lambda content: b": ping\n\n" + content.replace(b"\n\n", b"\n\n: OPENROUTER PROCESSING\n\n"),
    "names and ids": lambda content: content.replace(b"data: ", b"event: message\nid: 7\nretry: 5\ndata: "),
    "several lines": lambda content: content.replace(b'"object"', b'\ndata: "object"'),
    "no blank line at the end": lambda content: content[:-1],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_every_way_to_write_events_is_read(shape: str, size: int) -> None:
    content = SHAPES[shape](CONTENT)
    pieces = [chunk(content[at : at + size]) for at in range(0, len(content), size)]
    async with serving([STREAM_HEAD, *pieces, STREAM_END]) as (_, provider):
        chunks = await read(provider)
    assert [json.loads(one.data) for one in chunks] == HELLO


# Whole answers that are none.

BAD_ANSWERS: dict[str, tuple[Script, str]] = {
    "empty": (answer(b""), "no JSON: nothing"),
    "garbage": (answer(b'{"id": '), "no JSON"),
    "html": (answer(b"<html>Bad gateway</html>"), "Bad gateway"),
    "a list": (answer([]), "no object"),
    "nan": (answer(b'{"id": NaN}'), "no JSON"),
    "an error with 200": (answer({"error": {"message": "quota"}}), "quota"),
    "wrong parts": (answer({"choices": ["x"]}), "wrong types"),
    "too long": (answer(completion("x" * 30_000)), "more than 20000 bytes"),
    "cut": ([head(200, {"content-length": "100"}), b'{"id"', hang_up], "before the end"),
    "a redirect": (answer(b"", 302, {"location": "https://elsewhere"}), "answered 302"),
    "deep json": (answer(b'{"id":' + DEEP + b"}"), "no JSON"),
    "deep json in an object": (answer(json.dumps(completion()).encode()[:-1] + b',"z":' + DEEP + b"}"), "no JSON"),
    "gzip": (answer(b"\x1f\x8b", headers={"content-encoding": "gzip"}), "unasked: content-encoding 'gzip'"),
    "gzip and 500": (answer(b"\x1f", 500, {"content-encoding": "gzip"}), "answered 500: .*content-encoding 'gzip'"),
    "deep json and 500": (answer(b'{"error":' + DEEP + b"}", 500), "answered 500"),
    "another protocol": (
        [head(101, {"upgrade": "websocket", "connection": "Upgrade"}) + b"hello", silence],
        "change the protocol",
    ),
    "endless trailers": (
        [STREAM_HEAD, chunk(b"{}"), b"0\r\n", *[b"x-a: " + b"b" * 1000 + b"\r\n"] * 1000, b"\r\n"],
        "trailer exceeds",
    ),
    "one endless trailer": (
        [STREAM_HEAD, chunk(b"{}"), b"0\r\nx-a: ", *[b"b" * 1000] * 1000, silence],
        "trailer exceeds",
    ),
    "endless head": ([b"HTTP/1.1 200 OK\r\n", *[b"x-a: " + b"b" * 1000 + b"\r\n"] * 100, silence], "header exceeds"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_says_why(name: str) -> None:
    script, why = BAD_ANSWERS[name]
    async with serving(script, max_retries=0, max_response_bytes=20_000) as (_, provider):
        with pytest.raises(UpstreamError, match=why) as caught:
            await provider.chat.complete(call())
    assert caught.value.status == 502


async def test_an_answer_without_length_ends_with_the_connection() -> None:
    body = json.dumps(completion()).encode()
    async with serving([head(200), body, hang_up]) as (_, provider):
        assert await provider.chat.complete(call()) == body


async def test_an_interim_answer_is_passed_over() -> None:
    async with serving([b"HTTP/1.1 100 Continue\r\n\r\n", *answer(completion())]) as (_, provider):
        assert await provider.chat.complete(call())


# Deadlines.


async def test_each_deadline_names_itself() -> None:
    late: Script = [STREAM_HEAD, chunk(event(delta("a"))), silence]
    drip: Script = [STREAM_HEAD, *[step for _ in range(100) for step in (chunk(event(delta("a"))), pause(0.02))]]
    settings: dict[str, Any] = {"first_byte_timeout": 0.1, "chunk_timeout": 0.15, "total_timeout": 0.4}
    async with serving([silence], [STREAM_HEAD, silence], late, drip, **settings) as (vendor, provider):
        for why in ("first byte .* within 0.1 s", "first byte .* within 0.1 s", "within 0.15 s", "within 0.4 s"):
            with pytest.raises(UpstreamTimeout, match=why) as caught:
                await read(provider)
            assert caught.value.status == 504
            assert await vendor.closed()


@pytest.mark.parametrize(
    "drip",
    [
        [b"HTTP/1.1 200 OK\r\nx: ", *[b"a", pause(0.02)] * 100],
        [*[b"HTTP/1.1 100 Continue\r\n\r\n", pause(0.02)] * 100, *answer(completion())],
    ],
)
async def test_a_header_in_driblets_is_no_first_byte(drip: Script) -> None:
    async with serving(drip, first_byte_timeout=0.2) as (vendor, provider):
        with pytest.raises(UpstreamTimeout, match=r"first byte .* within 0\.2 s"):
            await provider.chat.complete(call())
        assert await vendor.closed()


async def test_empty_lines_of_data_are_not_gathered_for_ever() -> None:
    async with serving([STREAM_HEAD, *[chunk(b"data:\n" * 10_000)] * 100, silence]) as (vendor, provider):
        with pytest.raises(UpstreamError, match="event of more than"):
            await read(provider)
        assert await vendor.closed()


async def test_json_too_deep_to_read_is_the_vendors_fault_at_every_port() -> None:
    body = b'{"error":' + DEEP + b',"data":' + DEEP + b"}"
    async with serving(answer(body)) as (_, provider):
        for port in (provider.chat, provider.completions, provider.embeddings, provider.moderations):
            assert port is not None
            with pytest.raises(UpstreamError, match="no JSON"):
                await port.complete(call())
        with pytest.raises(UpstreamError, match="no JSON"):
            await provider.models()


@pytest.mark.parametrize("depth", range(900, 1001, 7))
async def test_no_depth_of_an_error_gets_past(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    for status in (200, 400, 500):
        async with serving(answer(b'{"error":' + nested + b"}", status), max_retries=0) as (_, provider):
            with pytest.raises((UpstreamError, InvalidRequest)):
                await provider.chat.complete(call())


@pytest.mark.parametrize("vector", [{"a": [1]}, [[1]], ["1"], None, 5, [{"a": 1}]])
async def test_an_embedding_is_numbers_or_base64(vector: Any) -> None:
    def listing(embedding: Any) -> Any:
        data = [{"object": "embedding", "index": 0, "embedding": embedding}]
        return {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    async with serving(answer(listing(vector)), answer(listing([1, -2.5e-7])), answer(listing("AAAA"))) as (
        _,
        provider,
    ):
        assert provider.embeddings is not None
        with pytest.raises(UpstreamError, match="embedding"):
            await provider.embeddings.create(call(input="x"))
        assert b"-2.5e-07" in await provider.embeddings.create(call(input="x"))
        assert b"AAAA" in await provider.embeddings.create(call(input="x"))


async def test_a_vendors_list_is_bounded_and_clean() -> None:
    names = ["good", "line\nbreak", "\x1b[31mred", "\u202ename", "x" * 300, ""]
    many = [{"id": name, "created": 1e300, "owned_by": "a\nb"} for name in names]
    async with serving(answer(many), answer([{"id": f"m{i}"} for i in range(20_000)])) as (_, provider):
        assert await provider.models() == [Offer(name="good")]
        assert len(await provider.models()) == 5000


async def test_a_slow_reader_is_not_a_slow_vendor() -> None:
    script = [STREAM_HEAD, chunk(event(HELLO[0])), chunk(event(HELLO[1])), *stream(HELLO[2:])[1:]]
    settings: dict[str, Any] = {"chunk_timeout": 0.1, "first_byte_timeout": 0.1}
    async with serving(script, **settings) as (_, provider), provider.chat.stream(call()) as batches:
        await asyncio.sleep(0.4)
        assert len([one async for batch in batches for one in batch]) == 3


async def test_a_vendor_that_takes_no_connections_is_late() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        config = Config(base_url=f"http://127.0.0.1:{full.getsockname()[1]}", connect_timeout=0.2)
        async with connect(config, ALL) as provider:
            with pytest.raises(UpstreamTimeout, match=r"no connection within 0\.2 s"):
                await provider.chat.complete(call())
        for filler in fillers:
            filler.close()


# Leaving.


@pytest.mark.parametrize("script", [[silence], [STREAM_HEAD, silence], [STREAM_HEAD, chunk(b"data: "), silence]])
@pytest.mark.parametrize("streamed", [True, False])
async def test_cancelling_closes_the_vendors_connection(script: Script, streamed: bool) -> None:
    async with serving(script) as (vendor, provider):
        task = asyncio.create_task(read(provider) if streamed else provider.chat.complete(call()))
        await vendor.asked()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await vendor.closed(seconds=2)


async def test_leaving_a_stream_early_closes_the_vendors_connection() -> None:
    async with serving([STREAM_HEAD, chunk(event(delta("a"))), silence]) as (vendor, provider):
        async with provider.chat.stream(call()) as batches:
            await anext(aiter(batches))
        assert await vendor.closed(seconds=2)


async def test_closing_the_provider_cuts_what_is_under_way() -> None:
    async with Upstream([[silence]]) as vendor:
        async with connect(Config(base_url=vendor.base_url, max_retries=0), ALL) as provider:
            task = asyncio.create_task(provider.chat.complete(call()))
            await vendor.asked()
        with pytest.raises(UpstreamError):
            await task
        assert await vendor.closed()


# Refusals and retries.

FAULT = {"error": {"message": "bad temperature", "type": "x", "param": "temperature", "code": "out_of_range"}}


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
async def test_the_callers_fault_is_told_in_the_vendors_words(status: int) -> None:
    async with serving(answer(FAULT, status)) as (vendor, provider):
        with pytest.raises(InvalidRequest) as caught:
            await provider.chat.complete(call())
    error = caught.value
    assert (error.status, error.message, error.param, error.code) == (
        status,
        "bad temperature",
        "temperature",
        "out_of_range",
    )
    assert len(vendor.requests) == 1


@pytest.mark.parametrize(
    "said",
    [{"detail": "bad"}, {"message": "bad"}, {"error": "bad"}, [{"error": {"message": "bad", "code": 400}}]],
)
async def test_faults_are_understood_in_the_words_of_many_vendors(said: Any) -> None:
    async with serving(answer(said, 422)) as (_, provider):
        with pytest.raises(InvalidRequest) as caught:
            await provider.chat.complete(call())
    assert caught.value.message == "bad"


async def test_a_404_page_means_a_wrong_address_not_a_wrong_request() -> None:
    async with serving(answer(b"404 page not found", 404)) as (_, provider):
        with pytest.raises(UpstreamError, match="base_url"):
            await provider.chat.complete(call())


async def test_a_rate_limit_is_passed_on_with_its_retry_after() -> None:
    async with serving(answer(FAULT, 429, {"retry-after": "17"})) as (vendor, provider):
        with pytest.raises(RateLimited) as caught:
            await provider.chat.complete(call())
    assert caught.value.headers == {"retry-after": "17"}
    assert len(vendor.requests) == 1


async def test_a_refused_key_is_our_fault_and_never_shown() -> None:
    leak = {"error": {"message": "Incorrect API key: sk-very-secret"}}
    async with serving(answer(leak, 401), answer(leak, 500), api_key="sk-very-secret", max_retries=0) as (_, provider):
        with pytest.raises(UpstreamAuth, match=r"remote::test at .*config\.api_key") as caught:
            await provider.chat.complete(call())
        assert caught.value.status == 502
        with pytest.raises(UpstreamError) as second:
            await provider.chat.complete(call())
    assert "very-secret" not in caught.value.message + second.value.message
    assert "********" in second.value.message


async def test_a_changed_key_is_read_again_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("new-key\n")
    key = Secret(Substituted("old-key", file.read_text))
    async with serving(answer(FAULT, 401), answer(completion()), api_key=key) as (vendor, provider):
        await provider.chat.complete(call())
    assert [request.headers["authorization"] for request in vendor.requests] == ["Bearer old-key", "Bearer new-key"]


@pytest.mark.parametrize("first", [answer(FAULT, 503), answer(FAULT, 500), [hang_up], [reset]])
async def test_a_call_that_failed_before_the_first_byte_is_made_again(first: Script) -> None:
    async with serving(first, first, answer(completion())) as (vendor, provider):
        assert await provider.chat.complete(call())
    assert len(vendor.requests) == 3


async def test_a_call_is_made_three_times_at_most_and_once_when_told_so() -> None:
    for retries, calls in ((2, 3), (0, 1)):
        async with serving(answer(FAULT, 503), max_retries=retries) as (vendor, provider):
            with pytest.raises(UpstreamError, match="answered 503: bad temperature"):
                await provider.chat.complete(call())
        assert len(vendor.requests) == calls


async def test_a_cut_after_the_first_byte_is_not_tried_again() -> None:
    async with serving([STREAM_HEAD, chunk(b"data"), hang_up]) as (vendor, provider):
        with pytest.raises(UpstreamError):
            await read(provider)
    assert len(vendor.requests) == 1


async def test_a_vendor_in_trouble_gets_few_retries() -> None:
    async with serving(answer(FAULT, 503)) as (vendor, provider):
        calls = [provider.chat.complete(call()) for _ in range(50)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, UpstreamError) for result in results)
    assert len(vendor.requests) <= 50 + 2 * 10


async def test_an_address_where_nobody_listens_says_so() -> None:
    async with connect(Config(base_url="http://127.0.0.1:1/v1"), ALL) as provider:
        with pytest.raises(UpstreamError, match=r"remote::test at http://127\.0\.0\.1:1/v1: no connection"):
            await provider.chat.complete(call())


# The other ports, and models.


async def test_a_vendors_names_for_parameters_are_used() -> None:
    quirks = Quirks(type="remote::test", renames={"max_completion_tokens": "max_tokens"})
    async with serving(answer(completion()), quirks=quirks) as (vendor, provider):
        await provider.chat.complete(call(max_completion_tokens=5))
        assert provider.embeddings is None
    assert vendor.requests[0].json == {"model": "m", "max_tokens": 5}


async def test_models_are_listed_and_sorted_by_what_they_do() -> None:
    listing = {
        "object": "list",
        "data": [
            {"id": "gpt-x", "object": "model", "created": 7, "owned_by": "acme"},
            {"id": "text-embedding-3-small"},
            {"id": "omni-moderation-latest"},
            {"id": "whisper-1"},
            {"name": None},
            "nonsense",
        ],
    }
    async with serving(answer(listing), answer(listing["data"]), answer({"oops": 1})) as (vendor, provider):
        offers = [
            Offer(name="gpt-x", owned_by="acme", created=7),
            Offer(name="text-embedding-3-small", kind="embedding"),
            Offer(name="omni-moderation-latest", kind="moderation"),
        ]
        assert await provider.models() == offers
        assert await provider.models() == offers
        with pytest.raises(UpstreamError, match="list of models"):
            await provider.models()
    assert (vendor.requests[0].method, vendor.requests[0].path) == ("GET", "/v1/models")


async def test_models_of_the_run_file_are_offered_without_asking() -> None:
    async with serving([silence], models=["a", "bge-m3"]) as (vendor, provider):
        assert await provider.models() == [Offer(name="a"), Offer(name="bge-m3", kind="embedding")]
    assert vendor.requests == []


async def test_a_key_with_a_line_break_is_refused_before_it_is_sent() -> None:
    with pytest.raises(StackwrightError, match="line break"):
        async with connect(Config.model_validate({"base_url": "http://x", "api_key": "a\r\nX: y"}), ALL):
            pass


TLS = Path(__file__).parent / "tls"


async def test_a_certificate_is_checked_unless_told_otherwise() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    async with Upstream([answer(completion()), stream(HELLO)], tls=context) as vendor:
        for trusted in ({"ca_cert_path": str(TLS / "cert.pem")}, {"verify_tls": False}):
            async with connect(Config.model_validate({"base_url": vendor.base_url, **trusted}), ALL) as provider:
                vendor.scripts = [answer(completion()), stream(HELLO)]
                assert await provider.chat.complete(call())
                assert len(await read(provider)) == 3
        async with connect(Config(base_url=vendor.base_url), ALL) as provider:
            with pytest.raises(UpstreamError, match="CERTIFICATE_VERIFY_FAILED"):
                await provider.chat.complete(call())


async def test_a_file_of_authorities_that_is_none_is_named() -> None:
    config = Config(base_url="https://x", ca_cert_path="/no/such/file.pem")
    with pytest.raises(StackwrightError, match=r"config\.ca_cert_path '/no/such/file\.pem'"):
        async with connect(config, ALL):
            pass


# The server runs on uvloop; pytest does not.

STORIES = [
    story for name, story in list(globals().items()) if name.startswith("test_") and not signature(story).parameters
]


@pytest.mark.parametrize("story", STORIES)
def test_on_the_servers_loop_it_is_the_same(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(story())


@pytest.mark.parametrize("how", ["reset", "clean end", "broken encoding"])
def test_on_the_servers_loop_a_cut_is_no_success_either(how: str) -> None:
    uvloop.run(test_a_stream_cut_at_any_byte_is_no_success(how))


@pytest.mark.parametrize("script", [[silence], [STREAM_HEAD, silence]])
@pytest.mark.parametrize("streamed", [True, False])
def test_on_the_servers_loop_cancelling_closes_the_connection_too(script: Script, streamed: bool) -> None:
    uvloop.run(test_cancelling_closes_the_vendors_connection(script, streamed))

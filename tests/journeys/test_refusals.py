"""Everything that is refused is refused in OpenAI's envelope, with its status, and nothing of Python in it."""

import contextlib
import json
import socket
from typing import Any

import pytest

from tests.running import RunningServer
from tests.schemas import needs_schemas, validate

CHAT = "/v1/chat/completions"
HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
USER = {"role": "user", "content": "x"}

REFUSED: list[tuple[str, bytes | dict[str, Any], int, str | None, str]] = [
    ("no body", b"", 400, None, "invalid_json"),
    ("half an object", b'{"model": ', 400, None, "invalid_json"),
    ("not UTF-8", b'{"model": "\xff\xfe"}', 400, None, "invalid_json"),
    ("not UTF-8 where nobody looks", b'{"model": "echo", "extra": "\xff"}', 400, None, "invalid_json"),
    ("an array", b"[]", 400, None, "invalid_type"),
    ("deep nesting", b'{"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None, "invalid_json"),
    ("NaN", b'{"model": "echo", "temperature": NaN}', 400, None, "invalid_json"),
    ("no model", {"messages": [USER]}, 400, "model", "missing_required_parameter"),
    ("no messages", {"model": "echo"}, 400, "messages", "missing_required_parameter"),
    ("empty messages", {"model": "echo", "messages": []}, 400, "messages", "array_below_min_length"),
    ("a number for a name", {"model": 7, "messages": [USER]}, 400, "model", "invalid_type"),
    (
        "an odd role",
        {"model": "echo", "messages": [{"role": "king", "content": "x"}]},
        400,
        "messages[0].role",
        "invalid_value",
    ),
    ("hot", {"model": "echo", "messages": [USER], "temperature": 3}, 400, "temperature", "float_above_max_value"),
    ("text for a flag", {"model": "echo", "messages": [USER], "stream": "yes"}, 400, "stream", "invalid_type"),
    ("odd metadata", {"model": "echo", "messages": [USER], "metadata": {"a": 1}}, 400, "metadata", "invalid_type"),
    (
        "too much metadata",
        {"model": "echo", "messages": [USER], "metadata": {str(n): "" for n in range(17)}},
        400,
        "metadata",
        "object_above_max_length",
    ),
    (
        "another address for the vendor",
        {"model": "down", "messages": [USER], "api_base": "http://evil.example"},
        400,
        "api_base",
        "unsupported_parameter",
    ),
    ("unknown model", {"model": "nobody", "messages": [USER]}, 404, "model", "model_not_found"),
    ("vendor down", {"model": "down", "messages": [USER]}, 502, None, "upstream_error"),
]


@pytest.mark.parametrize(
    ("body", "status", "param", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_bad_body_is_told_what_is_wrong_with_it(
    server: RunningServer, body: Any, status: int, param: str | None, code: str
) -> None:
    answer = server.post(CHAT, body)
    assert (answer.status, answer.error["code"]) == (status, code)
    if param is not None:
        assert str(answer.error["param"]).startswith(param)
    for word in ("Traceback", "msgspec", "Struct", "`", "object at 0x"):
        assert word not in answer.error["message"]


@pytest.mark.parametrize("place", [b'"tools": [{"type": "x", "deep": %b}]', b'"extra": %b'])
def test_no_depth_of_nesting_is_a_bug(server: RunningServer, place: bytes) -> None:
    for depth in range(900, 1030, 3):
        deep = place % (b"[" * depth + b"]" * depth)
        body = b'{"model": "echo", "store": true, "messages": [{"role": "user", "content": "x"}], %b}' % deep
        assert server.post(CHAT, body).status in (200, 400)


def test_an_unknown_path_is_told_in_the_envelope(server: RunningServer) -> None:
    answer = server.get("/v1/nothing/here")
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert answer.error["message"] == "Invalid URL (GET /v1/nothing/here). See /docs for the paths there are."


AZURE = "That is how Azure's client calls: take OpenAI's, with a base_url that ends in /v1."


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/chat/completions", "It is /v1/chat/completions here: let the client's base_url end in /v1."),
        ("/responses/resp_0", "It is /v1/responses/resp_0 here: let the client's base_url end in /v1."),
        ("/openai/v1/responses", "It is /v1/responses here: let the client's base_url end in /v1."),
        ("/v1/responses/chat/completions", "It is /v1/chat/completions here: let the client's base_url end in /v1."),
        ("/v1/v1/models", "The client adds /v1 itself: let its base_url end before it."),
        ("/v1//models", "It is /v1/models here: no slash is doubled or at the end."),
        ("/v1/chat/completions/", "It is /v1/chat/completions here: no slash is doubled or at the end."),
        ("/openai/deployments/echo/chat/completions", AZURE),
        ("/v1/deployments/echo/chat/completions", AZURE),
    ],
)
def test_a_base_url_that_is_nearly_right_is_told_so(server: RunningServer, path: str, hint: str) -> None:
    answer = server.get(path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert answer.error["message"] == f"Invalid URL (GET {path}). {hint}"


def test_a_wrong_method_is_told_which_are_right(server: RunningServer) -> None:
    answer = server.request("PUT", "/v1/models", b"{}")
    assert (answer.status, answer.error["code"], answer.headers["allow"]) == (405, "method_not_supported", "GET, POST")


def test_an_operation_that_is_not_there_is_not_mistaken_for_an_id_in_silence(server: RunningServer) -> None:
    answer = server.post("/v1/responses/compact", {})
    assert answer.status == 405
    assert answer.error["message"] == (
        "Not allowed to POST on /v1/responses/compact, where 'compact' is the response_id. Allowed here: DELETE, GET."
    )


def test_a_body_over_the_limit_is_413_with_and_without_its_length(server: RunningServer) -> None:
    big = {"model": "echo", "messages": [{"role": "user", "content": "x" * 1_000_001}]}
    assert (server.post(CHAT, big).status, server.post(CHAT, big).error["code"]) == (413, "request_too_large")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(20):
            raw.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        raw.sendall(b"0\r\n\r\n")
        assert raw.recv(64).startswith(b"HTTP/1.1 413 ")


def test_unfinished_bodies_hold_a_bounded_amount_together(server: RunningServer) -> None:
    """32 bodies of the largest size fit; one more is refused, and taken again once the others have gone."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
    whole = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "x" * 999_000}]}).encode()
    with contextlib.ExitStack() as held:
        for _ in range(40):
            unfinished = held.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            unfinished.sendall(head + b"x" * 990_000)
        tries = (server.post(CHAT, whole) for _ in range(100))
        refused = next(answer for answer in tries if answer.status != 200)
        assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (503, "overloaded", "1")
    assert any(server.post(CHAT, whole).status == 200 for _ in range(100))


def test_an_offer_of_http_2_is_ignored_and_the_body_is_read(server: RunningServer) -> None:
    """Java's HttpClient makes it with each request to a plain-text address."""
    body = json.dumps({"model": "echo", "messages": [USER]}).encode()
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        for _ in range(2):
            raw.sendall(head % len(body) + body)
            assert raw.recv(64).startswith(b"HTTP/1.1 200 ")
            while b"finish_reason" not in raw.recv(65536):
                pass


def test_bytes_that_are_not_http_are_told_so_in_the_envelope(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"EHLO mail\r\n\r\n")
        head, _, body = b"".join(iter(lambda: raw.recv(4096), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: req_" in head
    assert json.loads(body)["error"]["code"] == "invalid_http"


def test_headers_without_end_are_cut_off(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):
            for number in range(64):
                raw.sendall(b"x-%d: " % number + b"y" * 4096 + b"\r\n")
            answer = raw.recv(64)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")


def test_a_caller_who_never_finishes_a_request_line_is_let_go_and_one_who_has_not_begun_may(
    server: RunningServer,
) -> None:
    with contextlib.ExitStack() as stack:
        idle, slow, blank = (
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30)) for _ in range(3)
        )
        blank.sendall(HEALTH)
        assert blank.recv(4096).startswith(b"HTTP/1.1 200 ")
        blank.sendall(b"\r\n")
        slow.sendall(b"GET /hea")
        assert slow.recv(64).startswith(b"HTTP/1.1 408 ")
        assert blank.recv(64).startswith(b"HTTP/1.1 408 ")
        idle.sendall(HEALTH)
        assert idle.recv(64).startswith(b"HTTP/1.1 200 ")


def test_a_compressed_body_is_refused_clearly(server: RunningServer) -> None:
    answer = server.post(CHAT, b"\x1f\x8b", **{"content-encoding": "gzip"})
    assert (answer.status, answer.error["code"]) == (400, "unsupported_content_encoding")


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("order=up", "order"), ("limit=101", "limit")],
)
def test_an_odd_query_is_told_which_parameter(server: RunningServer, query: str, param: str) -> None:
    answer = server.get(f"{CHAT}?{query}")
    assert (answer.status, answer.error["param"]) == (400, param)


def test_an_absent_completion_is_404_however_it_is_asked_for(server: RunningServer) -> None:
    path = f"{CHAT}/chatcmpl-none"
    answers = [
        server.get(path),
        server.get(f"{path}/messages"),
        server.post(path, {"metadata": {}}),
        server.request("DELETE", path, None),
    ]
    assert [answer.status for answer in answers] == [404] * 4
    assert {answer.error["message"] for answer in answers} == {"No chat completion with id 'chatcmpl-none'."}


def test_a_filter_by_too_many_pairs_is_refused(server: RunningServer) -> None:
    answer = server.get(f"{CHAT}?" + "&".join(f"metadata[k{number}]=v" for number in range(17)))
    assert (answer.status, answer.error["param"]) == (400, "metadata")


def test_a_caller_who_asks_before_sending_is_refused_at_once(server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.9) as raw:
        head = b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\nexpect: 100-continue\r\n\r\n"
        raw.sendall(head)
        assert raw.recv(64).startswith(b"HTTP/1.1 413 ")


def test_names_with_control_characters_cannot_be_registered(server: RunningServer) -> None:
    answer = server.post("/v1/models", {"model_id": "a\nb", "provider_id": "demo"})
    assert (answer.status, answer.error["param"]) == (400, "model_id")


@needs_schemas
def test_refusals_are_what_openai_publishes(server: RunningServer) -> None:
    for answer in (server.get("/nowhere"), server.post(CHAT, b"{"), server.post(CHAT, {"model": "nobody"})):
        validate(answer.json, "ErrorResponse")

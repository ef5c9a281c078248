"""Files from servers that callers name: what comes, what does not, and what is never asked for."""

import asyncio
import gzip
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import uvloop

from stackwright.config.responses import FileUrls
from stackwright.errors import InvalidRequest, TooLarge
from stackwright.ports.downloads import Download, NotDownloaded
from stackwright.providers.downloads import AT_ONCE, MOST_FILES, Downloader
from stackwright.providers.egress import Forbidden
from stackwright.testing import upstream as play
from stackwright.testing.upstream import Script, Upstream

TLS = Path(__file__).parent / "tls"
PDF = {"content-type": "application/pdf"}
MOST = 1_000_000


class Purse:
    """Bytes that may be spent."""

    def __init__(self, most: int = MOST) -> None:
        self.left = most

    def spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise TooLarge("Too much.")


def downloader(**settings: Any) -> Downloader:
    return Downloader(FileUrls(**{"allow_private": ["localhost"], "seconds": 5, **settings}))


def url(server: Upstream, path: str = "/a.pdf") -> str:
    """Return a URL by a name that may be called; by its address the server may not be."""
    return f"http{'s' if server.tls else ''}://localhost:{server.port}{path}"


async def fetched(*urls: str, most: int = MOST, **settings: Any) -> Download:
    found = await downloader(**settings).fetch(urls, Purse(most).spend)
    return found[urls[0]]


async def refused(script: Script, *more: Script, most: int = MOST, **settings: Any) -> InvalidRequest:
    """Return why a server's answer is no file. The server's connection is closed then."""
    async with Upstream([script, *more]) as server:
        with pytest.raises(InvalidRequest) as raised:
            await fetched(url(server), most=most, **settings)
        assert await server.closed()
    assert raised.value.status in (400, 413)
    assert "127.0.0.1" not in raised.value.message
    return raised.value


def moved(location: str, status: int = 302) -> Script:
    return play.answer(b"Look elsewhere.", status, {"location": location})


def endless(piece: bytes, seconds: float) -> Script:
    """Return an answer without an end, a piece at a time."""

    async def step(_: Upstream, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(play.chunk(piece))
            await writer.drain()
            await asyncio.sleep(seconds)

    return [play.head(200, {"transfer-encoding": "chunked"}), step]


async def test_a_file_comes_with_its_kind_and_its_name() -> None:
    async with Upstream([play.answer(b"%PDF-1.7", headers={"content-type": "Application/PDF; x=y"})]) as server:
        found = await fetched(url(server, "/some/pape%20r.pdf?key=a b&c=%2F#page=2"))
    assert found == Download(data=b"%PDF-1.7", content_type="application/pdf", filename="/some/pape r.pdf")
    (request,) = server.requests
    assert request.path == "/some/pape%20r.pdf?key=a%20b&c=%2F"
    assert set(request.headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert (request.headers["host"], request.headers["accept-encoding"]) == (f"localhost:{server.port}", "identity")


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("/", None, "/"),
        ("", None, ""),
        ("/%2e%2e%2fn%C3%A4he.txt", None, "/../nähe.txt"),
        ("/x", 'attachment; filename="a b.csv"', "a b.csv"),
        ("/x", "attachment; filename=plain.csv; filename*=UTF-8''n%C3%A4he.csv", "nähe.csv"),
        ("/x", "attachment; filename*=UTF-8''n%C3%A4he.csv; filename=plain.csv", "nähe.csv"),
        ("/x", "attachment; filename*=nonsense''%ff%0d%0a/b.csv", "\xff\r\n/b.csv"),
        ("/x.txt", 'attachment; filename=""', "/x.txt"),
        ("/x.txt", "inline", "/x.txt"),
        ("/x.txt", "attachment; filename*=idna''%ff", "/x.txt"),
        ("/x.txt", "attachment; filename*0=a; filename*=b", "/x.txt"),
        ("/x.txt", "attachment; filename*" + "9" * 5000 + "=a", "/x.txt"),
        ("/x.txt", 'attachment;"' + ";" * 60_000, "/x.txt"),
    ],
)
async def test_a_name_is_the_servers_or_the_end_of_the_path(path: str, disposition: str | None, name: str) -> None:
    headers = {} if disposition is None else {"content-disposition": disposition}
    async with Upstream([play.answer(b"x", headers=headers)]) as server:
        started = time.monotonic()
        assert (await fetched(url(server, path))).filename == name
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("kind", ["", "nonsense", "binary/octet-stream", "a/b,c", "text/html\x80", ";base64,x/y"])
async def test_what_is_no_media_type_is_bytes(kind: str) -> None:
    async with Upstream([play.answer(b"x", headers={"content-type": kind})]) as server:
        assert (await fetched(url(server))).content_type == "application/octet-stream"


async def test_files_come_whole_in_pieces_and_until_the_server_closes() -> None:
    chunked = [
        play.head(200, {"transfer-encoding": "chunked"}),
        play.chunk(b"one "),
        play.chunk(b"two"),
        play.STREAM_END,
    ]
    closed = [play.head(200, PDF) + b"one ", play.pause(0.01), b"two", play.hang_up]
    empty = play.answer(b"")
    async with Upstream([chunked, closed, empty]) as server:
        assert (await fetched(url(server))).data == b"one two"
        assert (await fetched(url(server))).data == b"one two"
        assert (await fetched(url(server))).data == b""


async def test_a_redirect_is_followed_and_names_the_file() -> None:
    async with Upstream([]) as server:
        server.scripts = [
            moved("/elsewhere/?a=1", 301),
            moved("b.pdf", 307),
            moved(url(server, "/c.pdf"), 308),
            play.answer(b"there", headers=PDF),
        ]
        found = await fetched(url(server, "/a.pdf"))
    assert (found.data, found.filename) == (b"there", "/c.pdf")
    assert [request.path for request in server.requests] == ["/a.pdf", "/elsewhere/?a=1", "/elsewhere/b.pdf", "/c.pdf"]


async def test_who_is_redirected_for_ever_is_given_up() -> None:
    async with Upstream([moved("/again")]) as server:
        with pytest.raises(NotDownloaded, match="redirected more than 3 times"):
            await fetched(url(server))
        assert len(server.requests) == 4


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/secret",
        "//127.0.0.1:{port}/secret",
        "http://[::1]:{port}/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/latest",
        "http://8.8.8.8/",
        "https://8.8.8.8:25/",
        "http://user@localhost:{port}/",
        "ftp://localhost/a.pdf",
        "file:///etc/passwd",
        "//[",
    ],
)
async def test_a_redirect_leads_nowhere_that_a_caller_may_not_go(location: str) -> None:
    async with Upstream([]) as server:
        server.scripts = [moved(location.format(port=server.port))]
        with pytest.raises(Forbidden, match=r"redirected.*responses\.file_urls\.allow_private") as raised:
            await fetched(url(server))
        assert len(server.requests) == 1
    assert "169" not in raised.value.message
    assert "127" not in raised.value.message


@pytest.mark.parametrize(
    ("status", "headers"),
    [(404, {}), (500, {}), (204, {}), (206, {}), (304, {}), (302, {}), (401, {"www-authenticate": "Basic"})],
)
async def test_only_200_is_a_file(status: int, headers: dict[str, str]) -> None:
    body = b"" if status in (204, 304) else b"secret words"
    error = await refused(play.answer(body, status, headers))
    assert error.message == f"Error while downloading the file from 'localhost'. Upstream status code: {status}."
    assert (error.code, error.status) == ("invalid_value", 400)


async def test_a_file_that_says_that_it_is_too_large_is_refused_before_it_comes() -> None:
    # Not one byte of the body is sent.
    error = await refused([play.head(200, {"content-length": str(MOST + 1)}), play.silence])
    assert isinstance(error, TooLarge)


async def test_a_file_is_left_at_the_first_byte_too_many() -> None:
    assert isinstance(await refused(endless(b"x" * 65_536, 0)), TooLarge)
    exact = [play.head(200, {"transfer-encoding": "chunked"}), play.chunk(b"12345"), play.STREAM_END]
    async with Upstream([exact]) as server:
        assert (await fetched(url(server), most=5)).data == b"12345"
    assert isinstance(await refused(exact, most=4), TooLarge)


async def test_files_share_what_may_be_spent_and_are_fetched_once_each() -> None:
    async with Upstream([play.answer(b"x" * 10)]) as server:
        first, second = url(server, "/1"), url(server, "/2")
        purse = Purse(30)
        found = await downloader().fetch([first, second, first], purse.spend)
        assert ([len(file.data) for file in found.values()], purse.left) == ([10, 10], 0)
        assert sorted(request.path for request in server.requests) == ["/1", "/2"]
        with pytest.raises(TooLarge):
            await downloader().fetch([first, second, first], Purse(29).spend)
        assert await server.closed()


async def test_some_files_are_fetched_side_by_side_and_not_all() -> None:
    active = most = 0

    async def counted(_: Upstream, __: asyncio.StreamWriter) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.02)
        active -= 1

    async with Upstream([[counted, *play.answer(b"x")]]) as server:
        urls = [url(server, f"/{number}") for number in range(3 * AT_ONCE)]
        assert list(await downloader().fetch(urls, Purse().spend)) == urls
    assert most == AT_ONCE


@pytest.mark.parametrize(
    "script",
    [
        [play.silence],
        [play.head(200, PDF), play.silence],
        [play.head(200, {"content-length": "100"}) + b"half", play.silence],
        endless(b"x", 0.05),
        [b"HTTP/1.1 200 OK\r\nx-slow: ", *[step for _ in range(100) for step in (b"x", play.pause(0.05))]],
    ],
)
async def test_all_files_together_have_so_many_seconds(script: Script) -> None:
    started = time.monotonic()
    error = await refused(script, seconds=0.3)
    assert error.message.startswith("Timeout while downloading ")
    assert time.monotonic() - started < 4


async def test_redirects_do_not_lengthen_the_time() -> None:
    slow: Script = [play.pause(0.2), *moved("/next")]
    assert (await refused(slow, seconds=0.5)).message.startswith("Timeout while downloading ")


@pytest.mark.parametrize(
    "script",
    [
        [play.head(200, {"content-length": "100"}) + b"half", play.hang_up],
        [play.head(200, {"content-length": "100"}) + b"half", play.reset],
        [play.head(200, {"transfer-encoding": "chunked"}), play.chunk(b"half"), play.hang_up],
        [play.head(200, PDF) + b"half", play.reset],
        [b"HTTP/1.1 200 OK\r\ncontent-le", play.hang_up],
        [play.hang_up],
    ],
)
async def test_a_cut_file_is_no_file(script: Script) -> None:
    assert "closed before its end" in (await refused(script)).message


@pytest.mark.parametrize(
    "words", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 two hundred\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x16"]
)
async def test_who_does_not_speak_http_has_no_file(words: bytes) -> None:
    error = await refused([words, play.silence])
    assert error.message == "Error while downloading the file from 'localhost'. What came is not HTTP."


@pytest.mark.parametrize("piece", [play.chunk(b"x") * 10_000, b"1;" + b"e" * 60_000 + b"\r\nx\r\n"])
async def test_a_file_in_crumbs_is_left_before_it_takes_the_loop(piece: bytes) -> None:
    crumbs: Script = [play.head(200, {"transfer-encoding": "chunked"}), *[piece] * 400, play.silence]
    error = await refused(crumbs, most=1 << 30)
    assert error.message == "Error while downloading the file from 'localhost'. What came is not HTTP."


async def test_who_says_only_that_a_file_will_come_is_left_soon() -> None:
    error = await refused([b"HTTP/1.1 100 Continue\r\n\r\n" * 1000] * 10_000)
    assert error.message == "Error while downloading the file from 'localhost'. What came is not HTTP."


async def test_compressed_files_are_left_alone() -> None:
    bomb = gzip.compress(bytes(10 * MOST))
    error = await refused(play.answer(bomb, headers={"content-encoding": "gzip"}))
    assert "compressed" in error.message


async def test_the_certificate_is_for_the_name_and_not_for_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    names: list[str] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    async with Upstream([play.answer(b"safe")], tls=context) as server:
        assert (await fetched(url(server))).data == b"safe"
        assert names == ["localhost"]
        # The same address by a name that the certificate does not have.
        with pytest.raises(NotDownloaded, match="TLS with a certificate to be trusted"):
            await fetched(f"https://127.1:{server.port}/", allow_private=["127.0.0.1"])
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(NotDownloaded, match="TLS with a certificate to be trusted"):
            await fetched(url(server))
        assert len(server.requests) == 1


async def test_a_server_without_tls_is_no_https_server() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        with pytest.raises(NotDownloaded, match="TLS with a certificate to be trusted"):
            await fetched(f"https://localhost:{server.sockets[0].getsockname()[1]}/")
    async with Upstream([play.answer(b"x")]) as deaf:
        with pytest.raises(NotDownloaded, match=r"^Timeout .* 'localhost'\. It did not come in time\.$"):
            await fetched(f"https://localhost:{deaf.port}/", connect_seconds=0.2)


class Names:
    """Gives names addresses, as a name server would that nobody here runs."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self._real = socket.getaddrinfo

    def find(self, host: str, port: int, **hints: Any) -> list[Any]:
        self.asked.append(host)
        return [info for place in self.addresses.get(host, [host]) for info in self._real(place, port, **hints)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    found = Names()
    monkeypatch.setattr(socket, "getaddrinfo", found.find)
    return found


async def test_a_name_is_refused_when_one_of_its_addresses_is_private(names: Names) -> None:
    names.addresses = {"files.example": ["8.8.8.8", "127.0.0.1"], "inner.example": ["10.0.0.1"]}
    for name in ("files.example", "inner.example"):
        with pytest.raises(Forbidden, match=rf"responses\.file_urls\.allow_private: \[{name}\]"):
            await fetched(f"https://{name}/a.pdf")
        with pytest.raises(Forbidden):
            await downloader().check([f"https://{name}/a.pdf"])


async def test_a_name_is_looked_up_once_and_its_addresses_are_tried_in_turn(names: Names) -> None:
    async with Upstream([play.answer(b"x")]) as server:
        names.addresses = {"files.example": ["127.0.0.9", "127.0.0.1"]}
        assert (await fetched(f"http://files.example:{server.port}/", allow_private=["127.0.0.0/8"])).data == b"x"
        assert server.requests[0].headers["host"] == f"files.example:{server.port}"
    assert names.asked == ["files.example"]


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "a.pdf",
        "ftp://localhost/a.pdf",
        "file:///etc/passwd",
        "data:text/plain,x",
        "http://user:word@localhost/",
        "http://127.0.0.1/",
        "http://8.8.8.8/a.pdf",
        "https://8.8.8.8:22/",
        "https://" + "x" * 70 + ".example/",
        "https://a..b/",
        "https://a b/",
        "https://[/",
        "https://" + "ü" * 7_000 + ".example/",
        "https://8.8.8.8/" + "x" * 8_000,
    ],
)
async def test_where_nobody_may_go_nothing_is_sent(asked: str) -> None:
    with pytest.raises(Forbidden):
        await fetched(asked)
    with pytest.raises(Forbidden):
        await downloader().check([asked])


async def test_who_is_not_there_or_nobody_knows_has_no_file() -> None:
    async with Upstream([]) as gone:
        pass
    with pytest.raises(NotDownloaded, match=r"^Error .* 'localhost'\. Its server cannot be reached\.$"):
        await fetched(url(gone))
    with pytest.raises(NotDownloaded, match=r"'nobody\.invalid'\. Nobody knows a server of that name\.$"):
        await fetched("https://nobody.invalid/a.pdf")
    await downloader().check(["https://nobody.invalid/a.pdf"])


async def test_a_request_cannot_name_files_without_end() -> None:
    urls = [f"https://8.8.8.8/{number}" for number in range(MOST_FILES + 1)]
    for asking in (downloader().fetch(urls, Purse().spend), downloader().check(urls)):
        with pytest.raises(InvalidRequest, match="100 files by their URLs at most"):
            await asking
    await downloader().check([*urls[1:], urls[1]])


async def test_no_proxy_comes_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Upstream([play.answer(b"x")]) as server:
        assert (await fetched(url(server))).data == b"x"


async def test_who_is_cancelled_hangs_up_at_once() -> None:
    async with Upstream([[play.silence]]) as server:
        urls = [url(server, "/1"), url(server, "/2")]
        fetching = asyncio.create_task(downloader().fetch(urls, Purse().spend))
        await server.asked(2)
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert await server.closed()


async def test_one_file_that_fails_ends_the_others() -> None:
    async with Upstream([[play.silence]]) as silent, Upstream([]) as lost:
        lost.scripts = [[lambda _, __: silent.asked(), *play.answer(b"", 404)]]
        with pytest.raises(NotDownloaded, match="404"):
            await fetched(url(silent), url(lost))
        assert await silent.closed()


async def test_they_can_be_turned_off() -> None:
    with pytest.raises(InvalidRequest, match=r"responses\.file_urls\.enabled"):
        await fetched("http://localhost/", enabled=False)
    with pytest.raises(InvalidRequest, match=r"responses\.file_urls\.enabled"):
        await downloader(enabled=False).check(["http://localhost/"])


# The server runs on uvloop; pytest does not.

STORIES = [
    story for name, story in list(globals().items()) if name.startswith("test_") and not signature(story).parameters
]


@pytest.mark.parametrize("story", STORIES)
def test_on_the_servers_loop_it_is_the_same(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(story())

"""Which servers may be called."""

import asyncio
import re
import socket
import subprocess
import sys
import threading
from ipaddress import ip_address
from typing import Any

import pytest

from stackwright.kit.tenant import TENANT
from stackwright.providers.egress import Egress, Forbidden, is_public

SETTING = "responses.mcp.allow_private"
PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.1.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "2002:0a00:0001::",
    "2001:db8::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "::ffff:0:127.0.0.1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fec0::1",
    "fe80::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:0808:0808::"]


def egress(*private: str, http: bool = False) -> Egress:
    return Egress(private, http=http, setting=SETTING)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_not_public_however_it_is_wrapped(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_public_however_it_is_wrapped(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost/mcp",
        "https://LOCALHOST/mcp",
        "https://127.0.0.1:8443/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
    ],
)
async def test_a_private_server_is_refused_with_the_setting_that_allows_it(url: str) -> None:
    with pytest.raises(Forbidden, match=re.escape(SETTING)) as refused:
        await egress().addresses(url)
    assert refused.value.status == 400
    assert "127.0.0.1." not in refused.value.message.replace("'127.0.0.1'", "")


@pytest.mark.parametrize(
    ("private", "url", "addresses"),
    [
        ("127.0.0.0/8", "http://127.0.0.9:9/", ["127.0.0.9"]),
        ("127.0.0.9", "http://127.0.0.9/", ["127.0.0.9"]),
        ("10.0.0.0/8", "https://10.255.0.1:22/", ["10.255.0.1"]),
        ("::1", "http://[::1]:8000/mcp", ["::1"]),
        ("fd00::/8", "http://[fd00::7]/", ["fd00::7"]),
    ],
)
async def test_what_the_operator_allows_may_be_called_by_http_on_any_port(
    private: str, url: str, addresses: list[str]
) -> None:
    assert await egress(private).addresses(url) == addresses
    with pytest.raises(Forbidden):
        await egress("192.168.0.0/16").addresses(url)


async def test_an_allowed_name_allows_that_name_alone() -> None:
    allowed = egress("LocalHost")
    assert "127.0.0.1" in await allowed.addresses("http://localhost:1234/")
    with pytest.raises(Forbidden):
        await allowed.addresses("http://127.0.0.1:1234/")


async def test_a_trusted_server_is_one_more() -> None:
    trusting = egress("10.0.0.1").trusting("http://127.0.0.1/mcp")
    assert await trusting.addresses("http://127.0.0.1:99/") == ["127.0.0.1"]
    assert await trusting.addresses("http://10.0.0.1/") == ["10.0.0.1"]
    with pytest.raises(Forbidden):
        await trusting.addresses("http://127.0.0.2/")


@pytest.mark.parametrize("url", ["http://1.1.1.1/", "https://1.1.1.1:22/", "https://1.1.1.1:25/"])
async def test_public_servers_are_called_by_https_on_usual_ports(url: str) -> None:
    with pytest.raises(Forbidden, match="is not allowed"):
        await egress().addresses(url)


@pytest.mark.parametrize("url", ["https://1.1.1.1/", "https://1.1.1.1:8443/x?y"])
async def test_public_servers_may_be_called(url: str) -> None:
    assert await egress().addresses(url) == ["1.1.1.1"]


async def test_http_to_public_servers_can_be_allowed() -> None:
    assert await egress(http=True).addresses("http://1.1.1.1/") == ["1.1.1.1"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mcp",
        "ftp://1.1.1.1/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://1.1.1.1:99999/",
        "//x",
        "https://a..b/",
        "https://" + "x" * 70 + ".com/",
        "https://1.1.1.1 x/",
        "https://1.1.1.1\\.com/",
    ],
)
async def test_what_is_no_url_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(Forbidden):
        await egress().check(url)


@pytest.mark.parametrize("url", ["https://user:pass@1.1.1.1/", "https://user@1.1.1.1/", "https://1.1.1.1@10.0.0.1/"])
async def test_credentials_in_a_url_are_refused(url: str) -> None:
    with pytest.raises(Forbidden, match="header"):
        await egress("10.0.0.1").check(url)


async def test_a_name_that_nobody_knows_is_for_later_to_find_out() -> None:
    await egress().check("https://nobody.invalid/mcp")
    with pytest.raises(OSError, match=r"not known|resolution"):
        await egress().addresses("https://nobody.invalid/mcp")


async def test_names_that_are_never_found_keep_nobody_else_from_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    real, ended = socket.getaddrinfo, threading.Event()

    def find(host: str, *where: Any, **hints: Any) -> Any:
        if host.endswith(".example"):
            ended.wait()
            raise OSError("not known")
        return real(host, *where, **hints)

    monkeypatch.setattr(socket, "getaddrinfo", find)
    lookups = [asyncio.create_task(egress().check(f"https://{number}.example/")) for number in range(50)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            await asyncio.get_running_loop().getaddrinfo("localhost", 80)
    finally:
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        ended.set()
    # Those that nobody waits for any more are not looked up.
    assert await egress().addresses("https://1.1.1.1/") == ["1.1.1.1"]


async def test_a_tenant_whose_names_are_never_found_keeps_no_other_tenant_from_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, ended = socket.getaddrinfo, threading.Event()
    begun: list[str] = []

    def find(host: str, *where: Any, **hints: Any) -> Any:
        if not host.endswith(".example"):
            return real(host, *where, **hints)
        begun.append(host)
        ended.wait()
        raise OSError("not known")

    async def look(tenant: str, host: str) -> list[str]:
        TENANT.set(tenant)
        return await egress("127.0.0.1").addresses(f"https://{host}/")

    monkeypatch.setattr(socket, "getaddrinfo", find)
    lookups = [asyncio.create_task(look("a", f"{number}.example")) for number in range(50)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        assert await asyncio.create_task(look("b", "127.0.0.1")) == ["127.0.0.1"]
    own = asyncio.create_task(look("a", "127.0.0.1"))
    await asyncio.wait([own], timeout=0.1)
    assert (own.done(), len(begun)) == (False, 8)
    ended.set()
    failed = await asyncio.gather(*lookups, return_exceptions=True)
    assert [str(error) for error in failed] == ["not known"] * 50
    assert await own == ["127.0.0.1"]


SLOW = """
import asyncio, socket, time
from contextlib import suppress
from stackwright.providers.egress import Egress

async def main():
    socket.getaddrinfo = lambda *_, **__: time.sleep(120)
    egress = Egress((), http=False, setting="")
    with suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.gather(*[egress.check(f"https://{number}.example/") for number in range(20)])

asyncio.run(main())
"""


def test_a_process_does_not_wait_for_names_when_it_ends() -> None:
    assert subprocess.run([sys.executable, "-c", SLOW], timeout=60).returncode == 0


async def test_a_name_without_an_address_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(OSError, match="no address"):
        await egress().addresses("https://public.example/")

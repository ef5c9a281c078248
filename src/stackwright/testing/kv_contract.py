"""What every key-value backend must do. Subclass `KVContract`, override `clients`, and pytest runs the suite.

class TestMine(KVContract):
    @pytest.fixture
    async def clients(self) -> AsyncIterator[Clients]:
        async with open_mine() as one, open_mine() as other:
            yield one, other
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import pytest

from stackwright.errors import InvalidRequest
from stackwright.ids import mint
from stackwright.storage.kv import KV, Entry, Kept

ODD_KEYS = (
    "a",
    "a%",
    "a%b",
    "a*",
    "a\\",
    "a\\b",
    "a\n",
    "a\x01",
    "a_",
    "a_b",
    "ab",
    "a b",
    "A",
    "a'\"$.{}[]",
    "a:b",
    "aé",
    "a\u0301",
    "é",
    "ß",
    "Z",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "😀",
    "\U0010ffff",
    "\U0010ffff\U0010ffff",
    "%",
    "_",
    "*",
    "?",
    "\\",
    "\n",
    "x" * 512,
    "é" * 256,
)


class Namespaces(Protocol):
    """An opened database that hands out namespaces."""

    def namespace(self, namespace: str) -> KV:
        """Return a namespace."""
        ...


Clients = tuple[Namespaces, Namespaces]


class KVContract:
    """The suite. Each test works in namespaces of its own, so the database may be shared."""

    many = 10_000
    """How many keys the paging test writes."""

    @pytest.fixture
    def clients(self) -> Clients:
        """Two clients of one database, as two processes would open it."""
        raise NotImplementedError("override `clients` to open your backend twice")

    @pytest.fixture
    def name(self) -> str:
        """A namespace nobody used before."""
        return mint("ns_")

    @pytest.fixture
    def kv(self, clients: Clients, name: str) -> KV:
        """An empty namespace."""
        return clients[0].namespace(name)

    async def test_a_key_that_was_never_set_is_absent(self, kv: KV) -> None:
        assert await kv.get("nobody") is None
        assert await kv.delete("nobody") is False
        assert await kv.scan() == []

    async def test_what_is_set_is_read_by_everybody_until_deleted(self, kv: KV, clients: Clients, name: str) -> None:
        other = clients[1].namespace(name)
        await kv.set("key", b"first")
        await kv.set("key", b"second")
        assert await other.get("key") == b"second"
        assert await other.delete("key") is True
        assert await kv.get("key") is None
        assert await kv.delete("key") is False

    @pytest.mark.parametrize(
        "value",
        [b"", b"\0", b"a\0b\0", bytes(range(256)), b"\xff\xfe", bytes(range(256)) * 4096],
        ids=["empty", "NUL", "NUL within", "every byte", "no text", "1 MiB"],
    )
    async def test_a_value_is_any_bytes(self, kv: KV, value: bytes) -> None:
        await kv.set("key", value)
        assert await kv.get("key") == value
        assert await kv.scan() == [Entry("key", value)]
        assert await kv.compare_and_set("key", value, value + b"!") is True
        assert await kv.get("key") == value + b"!"

    async def test_every_key_is_itself_and_sorts_by_its_bytes(self, kv: KV) -> None:
        await fill(kv, ODD_KEYS)
        assert [await kv.get(key) for key in ODD_KEYS] == [key.encode() for key in ODD_KEYS]
        assert await kv.scan() == entries(ODD_KEYS)

    async def test_a_prefix_means_its_characters_and_nothing_else(self, kv: KV) -> None:
        await fill(kv, ODD_KEYS)
        for prefix in [*ODD_KEYS, "a%b%", "*", "nobody", "x" * 511]:
            wanted = entries(key for key in ODD_KEYS if key.startswith(prefix))
            assert await kv.scan(prefix=prefix) == wanted, prefix

    async def test_a_range_takes_its_start_and_leaves_its_end(self, kv: KV) -> None:
        await fill(kv, ["a", "b", "b1", "b2", "b3", "c"])
        assert await kv.scan(start="b", end="b3") == entries(["b", "b1", "b2"])
        assert await kv.scan(start="b1") == entries(["b1", "b2", "b3", "c"])
        assert await kv.scan(end="b") == entries(["a"])
        assert await kv.scan(prefix="b", start="b1", end="z") == entries(["b1", "b2", "b3"])
        assert await kv.scan(start="c", end="a") == []

    async def test_a_limit_takes_the_first_keys(self, kv: KV) -> None:
        await fill(kv, ["c", "a", "b"])
        assert await kv.scan(limit=2) == entries(["a", "b"])
        for limit in (0, -1, 10_001):
            with pytest.raises(InvalidRequest, match="limit"):
                await kv.scan(limit=limit)

    async def test_many_keys_under_one_prefix_come_in_pages(self, kv: KV) -> None:
        keys = [f"many/{number:05}" for number in range(self.many)]
        await fill(kv, [*keys, "man", "many0", "zebra"])
        seen: list[Entry] = []
        start = ""
        while page := await kv.scan(prefix="many/", start=start, limit=self.many // 4 + 1):
            seen.extend(page)
            start = page[-1].key + "\0"
        assert seen == entries(keys)
        assert await kv.scan(prefix="many/", limit=10_000) == entries(keys)

    async def test_an_expired_key_is_gone_for_every_call(self, kv: KV) -> None:
        await kv.set("a", b"kept")
        for key in ("b", "c", "d"):
            await kv.set(key, b"short", ttl=0.05)
        await kv.set("e", b"long", ttl=3600)
        await until_gone(kv, "b", "c", "d")
        assert await kv.scan(limit=2) == [Entry("a", b"kept"), Entry("e", b"long")]
        assert await kv.delete("b") is False
        assert await kv.compare_and_set("c", b"short", b"new") is False
        assert await kv.compare_and_set("d", None, b"new") is True
        assert await kv.get("d") == b"new"

    async def test_writing_anew_clears_an_earlier_expiry(self, kv: KV) -> None:
        for key in ("set", "swapped", "witness"):
            await kv.set(key, b"old", ttl=0.2)
        await kv.set("set", b"new")
        assert await kv.compare_and_set("swapped", b"old", b"new") is True
        await until_gone(kv, "witness")
        assert await kv.scan() == [Entry("set", b"new"), Entry("swapped", b"new")]

    async def test_what_is_dumped_is_loaded_with_the_time_it_has_left(self, clients: Clients) -> None:
        kv, other = clients[0].namespace("here"), clients[1].namespace("there")
        for key in ODD_KEYS:
            await kv.set(key, key.encode() + b"\0\xff")
        await kv.set("b\x01", b"soon gone", ttl=1000)
        await other.set("a", b"written over", ttl=1000)
        after = ""
        while entries := await kv.dump(after=after, limit=5):
            await other.load(entries)
            after = entries[-1].key
        assert await other.scan() == await kv.scan()
        kept = await other.dump()
        assert [(entry.key, entry.value) for entry in kept] == await kv.scan()
        assert [entry.key for entry in kept if entry.ttl is not None] == ["b\x01"]
        assert all(990 < entry.ttl <= 1000 for entry in kept if entry.ttl is not None)
        await other.load([Kept("b\x01", b"stays", None)])
        assert {entry.ttl for entry in await other.dump(limit=10_000)} == {None}

    async def test_compare_and_set_changes_only_what_it_expected(self, kv: KV) -> None:
        assert await kv.compare_and_set("key", b"old", b"new") is False
        assert await kv.compare_and_set("key", None, None) is True
        assert await kv.compare_and_set("key", None, b"one") is True
        assert await kv.compare_and_set("key", None, b"two") is False
        assert await kv.compare_and_set("key", None, None) is False
        assert await kv.compare_and_set("key", b"", b"two") is False
        assert await kv.get("key") == b"one"
        assert await kv.compare_and_set("key", b"one", b"") is True
        assert await kv.compare_and_set("key", None, b"two") is False
        assert await kv.compare_and_set("key", b"", b"two") is True
        assert await kv.compare_and_set("key", b"one", None) is False
        assert await kv.scan() == [Entry("key", b"two")]
        assert await kv.compare_and_set("key", b"two", None) is True
        assert await kv.scan() == []

    async def test_a_hundred_concurrent_increments_from_two_clients_make_a_hundred(
        self, clients: Clients, name: str
    ) -> None:
        async def count(kv: KV) -> None:
            for _ in range(10):
                await increment(kv, "counter")

        await asyncio.gather(*(count(client.namespace(name)) for client in clients * 5))
        assert await clients[0].namespace(name).get("counter") == b"100"

    async def test_namespaces_do_not_see_each_other(self, clients: Clients, name: str) -> None:
        names = [
            name,
            f"{name}:b",
            f"{name}:",
            f"{name}%",
            f"{name}_",
            f"{name}\\",
            name.upper(),
            f" {name}",
            f"{name}é",
        ]
        spaces = {each: clients[0].namespace(each) for each in names}
        for each, kv in spaces.items():
            await kv.set("b:key", each.encode())
            await kv.set("key", each.encode())
        for each, kv in spaces.items():
            assert await kv.scan() == [Entry("b:key", each.encode()), Entry("key", each.encode())]
        await spaces[name].delete("key")
        assert await spaces[name].scan() == [Entry("b:key", name.encode())]
        assert await spaces[f"{name}:b"].get("key") == f"{name}:b".encode()

    @pytest.mark.parametrize("key", ["", "a\0b", "x" * 513, "é" * 257, "\ud800"])
    async def test_what_is_no_key_is_refused_everywhere(self, kv: KV, key: str) -> None:
        for call in (kv.get(key), kv.set(key, b""), kv.delete(key), kv.compare_and_set(key, None, b"")):
            with pytest.raises(InvalidRequest):
                await call

    @pytest.mark.parametrize("namespace", ["", "a\0", "a\x1fb", "a\x1e", "\n"])
    def test_what_is_no_namespace_is_refused(self, clients: Clients, namespace: str) -> None:
        with pytest.raises(InvalidRequest, match="namespace"):
            clients[0].namespace(namespace)


def entries(keys: Iterable[str]) -> list[Entry]:
    """Return the entries `fill` made of these keys, as a scan must return them."""
    return [Entry(key, key.encode()) for key in sorted(keys, key=str.encode)]


async def fill(kv: KV, keys: Iterable[str]) -> None:
    """Write every key with itself as value, eight at a time."""
    remaining = iter(keys)

    async def write() -> None:
        for key in remaining:
            await kv.set(key, key.encode())

    await asyncio.gather(*(write() for _ in range(8)))


async def increment(kv: KV, key: str) -> None:
    """Add one to a number, however many try at the same time."""
    while True:
        found = await kv.get(key)
        if await kv.compare_and_set(key, found, str(int(found or b"0") + 1).encode()):
            return


async def until_gone(kv: KV, *keys: str, within: float = 10.0) -> None:
    """Wait until none of the keys is there."""
    async with asyncio.timeout(within):
        while any([await kv.get(key) for key in keys]):  # noqa: ASYNC110 - an expiry sets no event
            await asyncio.sleep(0.02)

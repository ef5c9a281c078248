"""Laws of keys and ranges."""

from hypothesis import given
from hypothesis import strategies as st

from stackwright.storage.kv.keys import check_key, join_namespace, span

characters = st.sampled_from("a b\x01%\ud7ff\ue000é\U0010fffe\U0010ffff")
keys = st.text(characters, min_size=1, max_size=4)
texts = st.text(characters, max_size=4)
bounds = st.text(st.one_of(characters, st.just("\0")), max_size=4)


@given(keys, texts, bounds, st.none() | bounds)
def test_a_span_holds_exactly_the_keys_a_scan_asks_for(key: str, prefix: str, start: str, end: str | None) -> None:
    low, high = span(prefix, start, end, 1)
    assert (low <= key < high) == (key.startswith(prefix) and start <= key and (end is None or key < end))


@given(keys, keys)
def test_keys_sort_as_their_bytes_do(one: str, other: str) -> None:
    assert (check_key(one) < check_key(other)) == (one.encode() < other.encode())


def test_a_backends_prefix_cannot_be_forged_by_a_namespace() -> None:
    pairs = [("a", "b:c"), ("a:b", "c"), (None, "a:b:c"), (None, "a"), ("a", "b"), (None, "ab")]
    assert len({join_namespace(prefix, namespace) for prefix, namespace in pairs}) == len(pairs)

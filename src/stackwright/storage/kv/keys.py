"""What a key may be, and how namespaces, prefixes and bounds become ranges that every database can scan."""

from stackwright.errors import InvalidRequest

MAX_BYTES = 512
MAX_LIMIT = 10_000

# UTF-8 bytes sort as code points do, and as Python compares strings. This one sorts after every possible key.
TOP = "\U0010ffff" * (MAX_BYTES // 4 + 1)

# Namespaces hold no control characters, so these two can neither be forged by a name nor be confused.
PREFIX_END = "\x1e"
NAMESPACE_END = "\x1f"


def check_key(key: str) -> str:
    """Return the key. `InvalidRequest` if it is empty, too long, holds NUL or is not Unicode text."""
    if not key or len(_encode(key)) > MAX_BYTES or "\0" in key:
        raise InvalidRequest(f"A key must have 1 to {MAX_BYTES} bytes of UTF-8 without NUL; {key[:40]!r} has not.")
    return key


def check_namespace(stored: str) -> str:
    """Return the namespace as `join_namespace` made it, or one without a prefix. `InvalidRequest` if it is neither."""
    for part in stored.split(PREFIX_END, 1):
        _check_name(part)
    return stored


def join_namespace(prefix: str | None, namespace: str) -> str:
    """Return the namespace as stored: behind its backend's prefix, if that has one."""
    _check_name(namespace)
    return check_namespace(f"{prefix}{PREFIX_END}{namespace}") if prefix is not None else namespace


def _check_name(name: str) -> None:
    if not name or len(_encode(name)) > MAX_BYTES or min(name) < " ":
        raise InvalidRequest(
            f"A namespace must have 1 to {MAX_BYTES} bytes of UTF-8 without control characters; {name[:40]!r} has not."
        )


def span(prefix: str, start: str, end: str | None, limit: int) -> tuple[str, str]:
    """Return `low, high` such that `low <= key < high` is what a scan asked for."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequest(f"A scan's limit must be 1 to {MAX_LIMIT}, not {limit}.")
    if "\0" in prefix:
        raise InvalidRequest("A scan's prefix must not contain NUL.")
    return max(prefix, _bound(start)), min(_successor(prefix), TOP if end is None else _bound(end))


def following(key: str) -> str:
    """Return the least key that sorts behind a key; behind none for an empty one."""
    return f"{key}\x01" if key else ""


def _bound(text: str) -> str:
    # Callers page with `last + "\0"`, which not every database can hold. No key lies between it and `last + "\1"`.
    _encode(text)
    head, nul, _ = text.partition("\0")
    return f"{head}\x01" if nul else head


def _successor(prefix: str) -> str:
    _encode(prefix)
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return TOP
    # Surrogates (D800 to DFFF) are no characters.
    code = 0xE000 if head[-1] == "\ud7ff" else ord(head[-1]) + 1
    return head[:-1] + chr(code)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{text[:40]!r} is not Unicode text: it holds half a surrogate pair.") from error

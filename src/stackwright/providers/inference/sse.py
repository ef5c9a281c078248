"""Server-sent events, as far as OpenAI's streams use them: the data of each event."""

from stackwright.errors import UpstreamError

LINE_LIMIT = 1024 * 1024
EVENT_LIMIT = 4 * 1024 * 1024
LINE_COST = 64


class Events:
    """Cuts a stream, in whatever pieces it comes, into the data of its events. Names, ids and comments are dropped."""

    def __init__(self) -> None:
        self._open: list[bytes] = []
        self._open_size = 0
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of the events that this piece completes.

        Raises:
            UpstreamError: A line or an event exceeds its limit.
        """
        end = piece.rfind(b"\n") + 1
        whole, rest = (piece, b"") if end == len(piece) else (piece[:end], piece[end:])
        if self._open and whole:
            whole = b"".join(self._open) + whole
            self._open.clear()
            self._open_size = 0
        if rest:
            self._open.append(rest)
            self._open_size += len(rest)
            _check("a line", self._open_size, LINE_LIMIT)
        return self._events(whole) if whole else []

    def end(self) -> list[bytes]:
        """Return the data of the last event, if the stream ended without the blank line after it."""
        return [*self.feed(b"\n"), *self.feed(b"\n")] if self._open or self._data else []

    def _events(self, text: bytes) -> list[bytes]:
        done: list[bytes] = []
        data = self._data
        for line in text.splitlines():
            if line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                _check("a line", len(value), LINE_LIMIT)
                data.append(value)
                # A line costs memory also when it is empty.
                self._data_size += len(value) + LINE_COST
                _check("an event", self._data_size, EVENT_LIMIT)
            elif not line and data:
                done.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._data_size = 0
        return done


def _check(what: str, size: int, limit: int) -> None:
    if size > limit:
        raise UpstreamError(f"The vendor sent {what} of more than {limit} bytes in a stream.")

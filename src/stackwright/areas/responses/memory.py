"""What a connection remembers of responses that are not stored, so that the next one can go on from them."""

from collections.abc import Sequence

from stackwright.wire.items import Item

MOST = 16
"""Responses that a connection remembers; the oldest is forgotten first. Those of one talk share their items."""


class Memory:
    """The latest unstored responses of one connection, each with all that was said up to its end."""

    def __init__(self) -> None:
        self._talks: dict[str, Sequence[Item]] = {}

    def find(self, response_id: str) -> Sequence[Item] | None:
        """Return everything up to the end of a response; None when it is not remembered."""
        return self._talks.get(response_id)

    def keep(self, response_id: str, items: Sequence[Item]) -> None:
        """Remember a response."""
        self._talks[response_id] = items
        if len(self._talks) > MOST:
            del self._talks[next(iter(self._talks))]

    def forget(self, response_id: str | None) -> None:
        """Forget a response, if it is remembered."""
        if response_id is not None:
            self._talks.pop(response_id, None)

"""Text with `{{ name }}` in it: split once, filled in one pass. What is filled in is never looked at again."""

import re
from collections.abc import Callable, Iterator, Mapping
from sys import intern
from typing import Any, NamedTuple

_KEY = r"([A-Za-z_][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_]+)*)"
_HOLE = re.compile(r"\\\{\{|\{\{\s*" + _KEY + r"\s*\}\}", re.ASCII)


class Hole(NamedTuple):
    """A place for a variable, or for something inside a JSON value."""

    key: str
    """What is between the braces."""
    name: str
    path: tuple[str, ...]


Texts = Mapping[str, str]
"""What stands in the holes, by their keys."""
Filling = Callable[[Texts], Any]
Pieces = tuple[str, ...]
"""Literal text and keys by turns, literal text first and last."""


def is_key(text: str) -> bool:
    """True for what makes a hole between braces; anything else leaves them text."""
    return re.fullmatch(_KEY, text) is not None


def filled(pieces: Pieces, texts: Texts) -> str:
    """Return a text with each hole filled."""
    parts = [*pieces]
    for at in range(1, len(parts), 2):
        parts[at] = texts[parts[at]]
    return "".join(parts)


class Template:
    """A text taken apart: literal pieces, and holes between them."""

    __slots__ = ("holes", "pieces")

    def __init__(self, text: str) -> None:
        literal: list[str] = []
        pieces: list[str] = []
        holes: list[Hole] = []
        for piece in _split(text):
            if isinstance(piece, str):
                literal.append(piece)
                continue
            holes.append(piece)
            pieces += ("".join(literal), piece.key)
            literal.clear()
        self.holes = tuple(holes)
        self.pieces: Pieces = (*pieces, "".join(literal))

    def render(self, texts: Texts) -> str:
        """Return the text with each hole filled."""
        return filled(self.pieces, texts)

    def parts(self) -> Iterator[str | Hole]:
        """Yield the literal pieces and the holes, in order."""
        for at, piece in enumerate(self.pieces):
            if at % 2:
                yield self.holes[at // 2]
            elif piece:
                yield piece


def _split(text: str) -> Iterator[str | Hole]:
    at = 0
    for found in _HOLE.finditer(text):
        yield text[at : found.start()]
        if found.group(1) is None:
            yield "{{"
        else:
            name, rest = found.groups()
            yield Hole(intern(name + rest), intern(name), tuple(rest.split(".")[1:]))
        at = found.end()
    yield text[at:]


class Tree:
    """A JSON value whose strings may be templates. Keys, and values without holes, stay as they are."""

    __slots__ = ("_fill", "holes")

    def __init__(self, value: Any, *, only: frozenset[str] | None = None) -> None:
        """Take `value` apart.

        Args:
            value: Parsed JSON.
            only: The keys below which strings may be templates, at whatever depth they are; None means everywhere.
        """
        self.holes: list[Hole] = []
        self._fill = self._compiled(value, only)

    def render(self, texts: Texts) -> Any:
        """Return the value with each hole filled."""
        return self._fill(texts)

    def _compiled(self, value: Any, only: frozenset[str] | None) -> Filling:
        before = len(self.holes)
        fill = self._node(value, only)
        if len(self.holes) == before and not _escapes(value):
            return lambda texts: value
        return fill

    def _node(self, value: Any, only: frozenset[str] | None) -> Filling:
        match value:
            case str() if only is None:
                template = Template(value)
                self.holes += template.holes
                return template.render
            case list():
                items = [self._compiled(one, only) for one in value]
                return lambda texts: [item(texts) for item in items]
            case dict():
                return self._object(value, only)
        return lambda texts: value

    def _object(self, value: Mapping[str, Any], only: frozenset[str] | None) -> Filling:
        fields = {key: self._compiled(one, None if only is None or key in only else only) for key, one in value.items()}
        return lambda texts: {key: field(texts) for key, field in fields.items()}


def _escapes(value: Any) -> bool:
    if isinstance(value, str):
        return r"\{{" in value
    if isinstance(value, dict):
        return any(map(_escapes, value.values()))
    return isinstance(value, list) and any(map(_escapes, value))

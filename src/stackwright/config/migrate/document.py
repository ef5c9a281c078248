"""A YAML file that is changed in places and stays, everywhere else, the text that it was.

`root` is ruamel's tree, changed with ordinary dict and list operations; `render` prints it. What was not touched is
copied from the old text line by line, so that its comments, quotes, columns and blank lines are those of the author.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

Key = int | str


@dataclass(slots=True)
class Span:
    """The lines of an entry in the old text, counted from 0; `head` is where the comments above it begin."""

    head: int
    start: int
    end: int
    column: int
    name: str
    value: Any
    inner: int
    """Column of what stands in a list's item, after the dash."""
    note: str = ""
    """The comment at the end of its (first) line."""


@dataclass
class Document:
    """The old text, and the tree that becomes the new one."""

    text: str
    root: CommentedMap
    lines: list[str]
    spans: dict[tuple[int, Key], Span] = field(default_factory=dict)
    before: dict[tuple[int, Key], list[str]] = field(default_factory=dict)
    """Comments that an entry gets from somewhere else."""
    _shapes: dict[int, tuple[Any, list[tuple[Key, Any]]]] = field(default_factory=dict)
    _tail: int = 0

    @classmethod
    def parse(cls, text: str) -> "Document":
        """Return the document of a text that holds one YAML mapping."""
        root = _yaml().load(text)
        document = cls(text, root, text.splitlines())
        document._tail = document._survey(root, _yaml().compose(text), 0)
        return document

    def carry(self, source: Any, key: Key, target: Any, name: Key) -> None:
        """Say that an entry stands at another place now, or under another name: its lines and comments go with it."""
        if span := self.spans.get((id(source), key)):
            span = self.spans[id(target), name] = copy(span)
            while target is not source and span.head < span.start and not self.lines[span.head].strip():
                span.head += 1
        if lines := self.before.pop((id(source), key), None):
            self.before.setdefault((id(target), name), []).extend(lines)

    def comments(self, container: Any, key: Key, *, inside: bool = True) -> list[str]:
        """Return the comments of an entry: above it, on its line, and within."""
        span = self.spans.get((id(container), key))
        found = self.before.get((id(container), key), [])
        if span is None:
            return list(found)
        found = [*found, *self._above(span), *([span.note] if span.note else [])]
        return [*found, *self.within(span.value)] if inside else found

    def within(self, value: Any) -> list[str]:
        """Return the comments of all entries of a collection."""
        return [comment for name in _names(value) for comment in self.comments(value, name)]

    def _above(self, span: Span) -> list[str]:
        return [line.strip() for line in self.lines[span.head : span.start] if line.strip()]

    def gap(self, container: Any, key: Key) -> list[str]:
        """Return an empty line when one stands above an entry."""
        span = self.spans.get((id(container), key))
        return [""] if span and any(not line.strip() for line in self.lines[span.head : span.start]) else []

    def render(self) -> str:
        """Return the text of the tree as it is now."""
        text = "\n".join([*self._entries(self.root, 0), *self.lines[self._tail :]]).rstrip("\n") + "\n"
        try:
            same = _plain(_yaml().load(text)) == _plain(self.root)
        except Exception as error:
            if not error.__class__.__module__.startswith("ruamel."):
                raise
            same = False
        # Anchors and merge keys may have lost what they named: then the values count, and the comments are lost.
        text = text if same else _dump(_plain(self.root))
        return text.replace("\n", "\r\n") if "\r\n" in self.text else text

    def _survey(self, value: Any, node: Any, cursor: int) -> int:
        """Note the lines of everything below a block collection; return the line after it."""
        self._shapes[id(value)] = (value, list(_pairs(value)))
        if node.flow_style:
            return _end(node, node)
        for name, item, key_node, item_node in _children(value, node):
            start, column = key_node.start_mark.line, key_node.start_mark.column
            if isinstance(value, CommentedSeq):
                column = node.start_mark.column
            start = max(start, cursor) if isinstance(value, CommentedSeq) else start
            inner = item_node.start_mark.column
            span = Span(cursor, start, 0, column, str(name), item, inner, self._note(key_node, item_node))
            self.spans[id(value), name] = span
            nested = isinstance(item, (CommentedMap, CommentedSeq)) and len(item) and not item_node.flow_style
            on_line = isinstance(value, CommentedSeq) or not nested
            cursor = (
                self._survey(item, item_node, start if on_line else start + 1) if nested else _end(key_node, item_node)
            )
            if not nested and isinstance(item, (CommentedMap, CommentedSeq)):
                self._shapes[id(item)] = (item, list(_pairs(item)))
            span.end = cursor
        return cursor

    def _note(self, key_node: Any, node: Any) -> str:
        block = node.id != "scalar" and not node.flow_style
        mark = key_node.end_mark if block else node.end_mark
        rest = self.lines[mark.line][mark.column :] if mark.line < len(self.lines) else ""
        return rest[rest.index("#") :] if " #" in rest else ""

    def _entries(self, container: Any, indent: int) -> Iterator[str]:
        for name in _names(container):
            yield from self._entry(container, name, indent)

    def _entry(self, container: Any, name: Key, indent: int) -> Iterator[str]:
        value = _get(container, name)
        span = self.spans.get((id(container), name))
        for line in self.before.get((id(container), name), []):
            yield (" " * indent + line).rstrip()
        if span:
            yield from self._moved(self.lines[span.head : span.start], span.column, indent)
        kept = span is not None and value is span.value
        if span and kept and not self._touched(value):
            body = self.lines[span.start : span.end]
            yield from self._moved([_renamed(body[0], span, name), *body[1:]], span.column, indent)
        elif _is_block(value):
            yield from self._block(value, name, span if kept else None, indent)
        else:
            note = f"  {span.note}" if span and span.note else ""
            yield from _fresh(container, name, value, indent, note)

    def _block(self, value: Any, name: Key, span: Span | None, indent: int) -> Iterator[str]:
        if isinstance(name, str):
            first = _renamed(self.lines[span.start], span, name) if span else f"{name}:"
            yield " " * indent + first.strip()
            columns = [self.spans[key].column for child in _names(value) if (key := (id(value), child)) in self.spans]
            step = columns[0] - span.column if span and columns else 2
            yield from self._entries(value, indent + step)
            return
        step = span.inner - span.column if span else 2
        lines = list(self._entries(value, indent + step))
        at = next(i for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#"))
        lines[at] = " " * indent + "-" + lines[at][indent + 1 :]
        yield from lines

    def _touched(self, value: Any) -> bool:
        if not isinstance(value, (CommentedMap, CommentedSeq)):
            return False
        if id(value) not in self._shapes:
            return True
        now, then = list(_pairs(value)), self._shapes[id(value)][1]
        same = len(now) == len(then) and all(a == c and b is d for (a, b), (c, d) in zip(now, then, strict=True))
        return not same or any(self._touched(item) for _, item in now)

    @staticmethod
    def _moved(lines: list[str], column: int, indent: int) -> Iterator[str]:
        for line in lines:
            shift = indent - column
            if not line.strip() or shift == 0:
                yield line
            else:
                yield " " * shift + line if shift > 0 else line[min(-shift, len(line) - len(line.lstrip())) :]


def _end(key_node: Any, node: Any) -> int:
    if node.start_mark.index == node.end_mark.index:
        return int(key_node.start_mark.line) + 1  # A value that is left out stands nowhere.
    # A block scalar ends at the beginning of the line after it.
    end = int(node.end_mark.line) + (1 if node.end_mark.column else 0)
    return max(end, int(node.start_mark.line) + 1)


def flow(**fields: Any) -> CommentedMap:
    """Return a mapping that is written in one line."""
    made = CommentedMap(fields)
    made.fa.set_flow_style()
    return made


def rename(container: CommentedMap, old: str, new: str) -> None:
    """Give an entry another name, at its place."""
    at = list(container).index(old)
    container.insert(at, new, container.pop(old))


def _names(container: Any) -> list[Key]:
    """Return what the entries of a collection are noted under. A list's items keep it when others go."""
    return [name for name, _ in _pairs(container)]


def _pairs(container: Any) -> Iterator[tuple[Key, Any]]:
    if isinstance(container, CommentedMap):
        yield from ((key, container[key]) for key in container)
    elif isinstance(container, CommentedSeq):
        yield from ((id(item), item) for item in container)


def _get(container: Any, name: Key) -> Any:
    return next(item for key, item in _pairs(container) if key == name)


def _children(value: Any, node: Any) -> Iterator[tuple[Key, Any, Any, Any]]:
    if isinstance(value, CommentedSeq):
        for item, child in zip(value, node.value, strict=True):
            yield id(item), item, child, child
    else:
        for key_node, child in node.value:
            if key_node.value in value:
                yield key_node.value, value[key_node.value], key_node, child


def _is_block(value: Any) -> bool:
    return isinstance(value, (CommentedMap, CommentedSeq)) and len(value) > 0 and not value.fa.flow_style()


def _renamed(line: str, span: Span, name: Key) -> str:
    if not isinstance(name, str) or name == span.name:
        return line
    return line[: span.column] + line[span.column :].replace(span.name, name, 1)


def _fresh(container: Any, name: Key, value: Any, indent: int, note: str) -> Iterator[str]:
    piece = CommentedMap({name: value}) if isinstance(container, CommentedMap) else CommentedSeq([value])
    first, *more = _dump(_bare(piece)).rstrip("\n").splitlines()
    yield " " * indent + first + note
    yield from (" " * indent + line if line else line for line in more)


def _bare(value: Any) -> Any:
    """Return a copy without comments and anchors, in the same style."""
    if isinstance(value, CommentedMap):
        made: Any = CommentedMap({key: _bare(item) for key, item in value.items()})
    elif isinstance(value, CommentedSeq):
        made = CommentedSeq([_bare(item) for item in value])
    else:
        return value
    if value.fa.flow_style():
        made.fa.set_flow_style()
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, CommentedMap):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, CommentedSeq) else value


def _dump(value: Any) -> str:
    stream = StringIO()
    _yaml().dump(value, stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    yaml.representer.ignore_aliases = lambda data: True
    yaml.representer.add_representer(
        type(None), lambda this, data: this.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml

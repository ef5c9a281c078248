"""YAML with places: every value of the run file knows its line, its column and its path."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from stackwright.config.secret import smells

DEEPEST = 48
MOST_NODES = 20_000
LARGEST = 1 << 20
"""Limits on depth, on values after aliases are followed, and on characters. No run file comes near them."""

_TAG = "tag:yaml.org,2002:"
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class Located(dict[str, Any]):
    """A mapping of the file on its way into the schema. It tells its node which class read it."""

    __slots__ = ("node",)

    def __init__(self, node: "Node", items: dict[str, Any]) -> None:
        super().__init__(items)
        self.node = node


@dataclass(slots=True, eq=False)
class Node:
    """A value of the file and where it stands: a scalar, or a mapping or list of nodes (then `items` is not None)."""

    path: str
    line: int
    column: int
    """Where a scalar begins; where the key of a mapping or list begins."""
    key: tuple[int, int]
    secret: bool = False
    """True when the name of its key, or of one above, smells of a secret."""
    text: str = ""
    value: Any = None
    items: dict[str, "Node"] | list["Node"] | None = None
    readers: list[type[BaseModel]] = field(default_factory=list)
    """The classes that tried to read this mapping; several where the schema leaves a choice."""
    faulty: bool = False
    old: bool = False
    """True when something of the old layout was taken out of it."""
    finished: Any = None
    """The validated value, once there is one."""

    def data(self) -> Any:
        """Return the value as plain data, for the schema to read."""
        if self.finished is not None:
            return self.finished
        if isinstance(self.items, dict):
            self.readers = []
            return Located(self, {name: node.data() for name, node in self.items.items()})
        if isinstance(self.items, list):
            return [node.data() for node in self.items]
        return self.value

    def child(self, step: int | str) -> "Node | None":
        """Return the node of a key or an index."""
        if isinstance(self.items, dict):
            return self.items.get(str(step))
        if isinstance(self.items, list) and isinstance(step, int) and step < len(self.items):
            return self.items[step]
        return None

    def find(self, *steps: int | str) -> "Node | None":
        """Return the node that the steps lead to."""
        node: Node | None = self
        for step in steps:
            node = node.child(step) if node else None
        return node

    def nearest(self, steps: Sequence[int | str]) -> "Node":
        """Return the node that the steps lead to, passing over those that are not in the file (a union's labels)."""
        node = self
        for step in steps:
            node = node.child(step) or node
        return node

    def reader(self) -> type[BaseModel] | None:
        """Return the class that was meant: of those that tried, the one that knows most of the keys."""
        fields = self.fields()
        return max(self.readers, key=lambda cls: sum(key in cls.model_fields for key in fields), default=None)

    def fields(self) -> dict[str, "Node"]:
        """Return the nodes of a mapping; none when it is not one."""
        return self.items if isinstance(self.items, dict) else {}

    def entries(self) -> list["Node"]:
        """Return the nodes of a list; none when it is not one."""
        return self.items if isinstance(self.items, list) else []

    def walk(self) -> list["Node"]:
        """Return this node and all below, in the order of the file."""
        below = self.items.values() if isinstance(self.items, dict) else self.entries()
        return [self, *(node for child in below for node in child.walk())]

    def add(self, name: str, data: Any) -> "Node":
        """Put a value that the file leaves out under a key of this mapping, at this mapping's own place."""
        path = f"{self.path}.{name}".lstrip(".")
        node = Node(path, self.line, self.column, self.key, secret=self.secret or smells(name), value=data)
        if isinstance(data, dict):
            node.items = {}
            for key, value in data.items():
                node.add(key, value)
        if isinstance(self.items, dict):
            self.items[name] = node
        return node


class Listener(Protocol):
    """Who takes complaints."""

    def at(self, line: int, column: int, path: str, message: str) -> None:
        """Take a complaint about a place."""
        ...


def parse(text: str, report: Listener) -> Node | None:
    """Return the file's root mapping. None, and a complaint made, when the text is not one YAML mapping."""
    if len(text) > LARGEST:
        report.at(1, 1, "", f"The file is longer than {LARGEST} characters.")
        return None
    root = _compose(text, report)
    if root is None:
        return None
    if root.id != "mapping":
        report.at(1, 1, "", "A run file is a mapping: `version: 2`, `providers:`, `storage:` and so on.")
        return None
    builder = _Builder(report)
    node = builder.build(root, "", None, False, 0)
    return node if builder.left > 0 else None


def _compose(text: str, report: Listener) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = DEEPEST
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        report.at(mark.line + 1, mark.column + 1, "", _words(error.problem or "", text.splitlines(), mark.line))
        return None
    except ReaderError as error:
        before = text[: error.position]
        line = before.count("\n") + 1
        report.at(line, len(before) - before.rfind("\n"), "", "Not YAML: a control character, or half of one.")
        return None
    if root is None:
        report.at(1, 1, "", "The file is empty. `stackwright init` writes one to start from.")
    return root


def _words(problem: str, lines: Sequence[str], line: int) -> str:
    """Put a parser's problem into words, without quoting the file: a stray `*` makes a password an alias."""
    if "maximum depth" in problem:
        return f"Nested deeper than {DEEPEST} levels."
    if "another document" in problem:
        return "A second document begins here; a run file is one."
    if "'\\t'" in problem:
        return "Not YAML: a tab. Indent with spaces."
    words = f"Not YAML: {_QUOTED.sub(_unless_a_sign, problem)}."
    if line < len(lines) and "${" in lines[line]:
        words += " Inside {...} and [...], put quotes around a value with ${...}."
    return words


def _unless_a_sign(quoted: re.Match[str]) -> str:
    """Leave out what the parser quotes of the file, which may be secret; its signs and tokens are not."""
    return quoted[0] if len(quoted[0]) < 5 or "<" in quoted[0] else "(...)"


@dataclass
class _Builder:
    """Turns ruamel's nodes into ours. `left` is how many more may come, so that aliases cannot multiply for ever."""

    report: Listener
    left: int = MOST_NODES

    def build(self, yaml: Any, path: str, key: tuple[int, int] | None, secret: bool, depth: int) -> Node:
        here = (yaml.start_mark.line + 1, yaml.start_mark.column + 1)
        line, column = here if key is None or yaml.id == "scalar" else key
        node = Node(path, line, column, key or here, secret)
        if self.left == 0:
            return node
        self.left -= 1
        if depth > DEEPEST or self.left == 0:
            self.report.at(*here, path, "Aliases (`*name`) make this too large, or contain themselves.")
            self.left = 0
        elif yaml.id == "mapping":
            node.items = {}
            self.mapping(node, node.items, yaml, depth)
        elif yaml.id == "sequence":
            node.items = [
                self.build(item, f"{path}[{i}]", None, secret, depth + 1) for i, item in enumerate(yaml.value)
            ]
        else:
            node.text = yaml.value
            node.value = self.scalar(node, str(yaml.tag))
        return node

    def mapping(self, node: Node, items: dict[str, Node], yaml: Any, depth: int) -> None:
        for key, value in yaml.value:
            place = (key.start_mark.line + 1, key.start_mark.column + 1)
            if key.id != "scalar":
                self.report.at(*place, node.path, "A key must be a name, not a list or a mapping.")
                continue
            name = key.value
            path = f"{node.path}.{name}".lstrip(".")
            if str(key.tag) == f"{_TAG}merge":
                self.report.at(*place, path, "Merge keys (`<<`) are not YAML 1.2. Write the keys out.")
            elif name in items:
                first = items[name].key[0]
                self.report.at(*place, path, f"'{name}' is given twice; the first is in line {first}.")
            else:
                items[name] = self.build(value, path, place, node.secret or smells(name), depth + 1)

    def scalar(self, node: Node, tag: str) -> Any:
        kind = tag.removeprefix(_TAG)
        if kind in ("str", "timestamp", "value", "merge"):
            return node.text
        if kind == "null":
            return None
        if kind not in ("int", "float", "bool"):
            node.faulty = True
            self.report.at(node.line, node.column, node.path, "YAML tags (`!name`) mean nothing here. Remove it.")
            return node.text
        try:
            return _number(kind, node.text)
        except ValueError:
            return node.text


def _number(kind: str, text: str) -> bool | int | float | str:
    if kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    plain = text.replace("_", "")
    if kind == "float":
        return float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", plain.lower()))
    return int(plain, 0) if re.match(r"[-+]?0[box]", plain) else int(plain)

"""A version made ready: templates split, variables known. Made once, then only read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from stackwright.areas.prompts.spec import SETTINGS, Declaration, Spec, TemplateMessage, declared, text_of
from stackwright.areas.prompts.template import Hole, Template, Texts, Tree, filled
from stackwright.areas.prompts.variable import Variable, Wrong
from stackwright.areas.prompts.variables import Variables
from stackwright.errors import InvalidRequest

_TEMPLATED = {
    "tools": frozenset({"description", "server_description", "parameters"}),
    "text": frozenset({"description", "schema"}),
}
_FACTOR = 6
"""Bytes in memory for a byte of JSON, about: strings, dictionaries and templates together."""


class Rendered(Struct):
    """A version with its variables filled in."""

    instructions: str | None
    messages: list[dict[str, Any]]
    settings: dict[str, Any]


class Compiled:
    """One version, ready to render.

    With thousands of prompts, what costs is every object of theirs that a request touches: the common case, texts for
    the instructions' variables, reaches its few from here.
    """

    __slots__ = ("_instructions", "_messages", "_plain", "_simple", "_trees", "size", "spec", "used", "variables")

    def __init__(self, spec: Spec) -> None:
        """Take a normalized spec apart. `InvalidRequest` when its templates and declarations do not fit together."""
        self.spec = spec
        instructions = Template(spec.instructions) if spec.instructions is not None else None
        self._instructions = instructions.pieces if instructions else None
        self._messages = tuple(_Message(message) for message in spec.messages or ())
        settings = {name: value for name in SETTINGS if (value := getattr(spec, name)) is not None}
        self._trees = tuple(
            (name, Tree(settings.pop(name), only=only)) for name, only in _TEMPLATED.items() if name in settings
        )
        self._plain = settings
        self.variables = self._variables(declared(spec), instructions.holes if instructions else ())
        self._simple = self.variables.simple
        self.used = False
        """Whether it was, since it was last considered for being let go of."""
        self.size = _FACTOR * len(msgspec.json.encode(spec)) + 2000

    @property
    def text(self) -> str:
        """The prompt in one text; see `text_of`."""
        return text_of(self.spec)

    def at_once(self, given: Mapping[str, Any]) -> Rendered | None:
        """Fill in what a caller gave, if that is a text for each variable; None when it must be checked."""
        if len(given) != self._simple:
            return None
        for value in given.values():
            if type(value) is not str:
                return None
        try:
            # Rendering looks for each variable, and there are as many: if it finds all, no other was given.
            return self.render(given, {})
        except KeyError:
            return None

    def render(self, texts: Texts, parts: Mapping[str, dict[str, Any]]) -> Rendered:
        """Fill in checked values."""
        settings = self._plain.copy()
        for name, tree in self._trees:
            settings[name] = tree.render(texts)
        return Rendered(
            filled(self._instructions, texts) if self._instructions is not None else None,
            [message.render(texts, parts) for message in self._messages] if self._messages else [],
            settings,
        )

    def _variables(self, declarations: Mapping[str, Declaration], instructions: Iterable[Hole]) -> Variables:
        elsewhere = [*instructions, *self._holes_outside_user_messages()]
        holes = [*elsewhere, *self._holes_of_messages(user=True)]
        text_only = {hole.name for hole in elsewhere}
        variables = [_declared(name, declaration) for name, declaration in declarations.items()]
        variables += _inferred(hole for hole in holes if hole.name not in declarations)
        _check_places(variables, holes, text_only)
        return Variables(variables, holes, text_only)

    def _holes_outside_user_messages(self) -> Iterator[Hole]:
        for _, tree in self._trees:
            yield from tree.holes
        yield from self._holes_of_messages(user=False)

    def _holes_of_messages(self, *, user: bool) -> Iterator[Hole]:
        for message in self._messages:
            if (message.role == "user") is user:
                yield from message.holes


class _Message:
    """A template message: its text parts are templates, other parts stay as they are."""

    __slots__ = ("_alone", "_parts", "holes", "role")

    def __init__(self, message: TemplateMessage) -> None:
        self.role = message.role
        self._alone = isinstance(message.content, str)
        # A list is built for every rendering: nobody may write into what others read.
        content = [{"type": _text_type(self.role), "text": message.content}] if self._alone else message.content
        self._parts = [_part(part) for part in content if isinstance(part, dict)]
        self.holes = [hole for _, template in self._parts if template for hole in template.holes]

    def render(self, texts: Texts, parts: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
        if self._alone and (not parts or not any(hole.name in parts for hole in self.holes)):
            template = self._parts[0][1]
            assert template is not None
            return {"type": "message", "role": self.role, "content": template.render(texts)}
        content = [piece for part, template in self._parts for piece in _content(part, template, texts, parts)]
        return {"type": "message", "role": self.role, "content": content}


def _text_type(role: str) -> str:
    return "output_text" if role == "assistant" else "input_text"


def _part(part: dict[str, Any]) -> tuple[dict[str, Any], Template | None]:
    text = part.get("text")
    return part, Template(text) if isinstance(text, str) else None


def _content(
    part: dict[str, Any], template: Template | None, texts: Texts, parts: Mapping[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Return a part as parts: a text is cut where an image or a file stands in it."""
    if template is None:
        yield part
        return
    text: list[str] = []
    for piece in template.parts():
        if isinstance(piece, str):
            text.append(piece)
        elif piece.name not in parts:
            text.append(texts[piece.key])
        else:
            if text:
                yield {**part, "text": "".join(text)}
                text = []
            yield parts[piece.name]
    if text:
        yield {**part, "text": "".join(text)}


def _declared(name: str, declaration: Declaration) -> Variable:
    variable = Variable(name, declaration)
    if declaration.type == "enum" and not declaration.enum:
        raise _misdeclared(name, "an enum needs its values: 'enum': [...]")
    if declaration.default is not msgspec.UNSET:
        try:
            variable.taken(declaration.default)
        except Wrong as wrong:
            raise _misdeclared(name, f"its default does not fit: {wrong}") from None
    return variable


def _inferred(holes: Iterator[Hole]) -> list[Variable]:
    names: dict[str, bool] = {}
    for hole in holes:
        names[hole.name] = names.get(hole.name, False) or bool(hole.path)
    return [
        Variable(name, Declaration(type="json") if deep else Declaration(), inferred=not deep)
        for name, deep in names.items()
    ]


def _check_places(variables: Sequence[Variable], holes: Sequence[Hole], text_only: set[str]) -> None:
    deep = {hole.name for hole in holes if hole.path}
    for variable in variables:
        kind = variable.declaration.type
        if kind in ("image", "file") and variable.name in text_only:
            raise _misdeclared(variable.name, f"it is of type {kind}, which can stand in user messages only")
        if kind != "json" and variable.name in deep:
            raise _misdeclared(variable.name, f"'{variable.name}.…' looks into a value, but it is declared {kind}")


def _misdeclared(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid prompt variable '{name}': {why}.", param=f"variables.{name}", code="invalid_variable"
    )

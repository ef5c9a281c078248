"""What differs between two versions, in terms of what a caller notices."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from stackwright.areas.prompts.compiled import Compiled
from stackwright.areas.prompts.spec import SETTINGS, Declaration


class TextChange(Struct, kw_only=True):
    """A text that differs: the instructions, or a message."""

    path: str
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None
    lines: list[str] = []
    """What differs, line by line, as in a unified diff."""


class ValueChange(Struct, kw_only=True):
    """A setting or a tool that differs."""

    name: str
    change: Literal["added", "removed", "changed"]
    before: Any = None
    after: Any = None


class VariableChange(Struct, kw_only=True):
    """A variable that differs, and whether today's callers would break."""

    name: str
    change: Literal["added", "removed", "changed"]
    breaking: bool
    reasons: list[str]


class Diff(Struct, kw_only=True):
    """What differs between two versions."""

    object: Literal["prompt.diff"] = "prompt.diff"
    prompt_id: str
    from_version: str
    to_version: str
    identical: bool
    breaking: bool
    messages: list[TextChange]
    variables: list[VariableChange]
    settings: list[ValueChange]
    tools: list[ValueChange]


class DiffQuery(Struct, kw_only=True, rename={"from_": "from"}):
    """Which two versions to compare: the one before the latest, and the latest, when not said."""

    from_: str | None = None
    to: str | None = None


_WIDER = {("integer", "number"), ("integer", "string"), ("number", "string"), ("boolean", "string"), ("enum", "string")}
"""Changes of type that take whatever the old type took."""


def compare(prompt_id: str, before: tuple[str, Compiled], after: tuple[str, Compiled]) -> Diff:
    """Compare two versions, each given with what it is called."""
    (from_version, old), (to_version, new) = before, after
    messages = list(_texts(_messages(old), _messages(new)))
    variables = list(_variables(_declarations(old), _declarations(new)))
    settings = list(_values(_settings(old), _settings(new)))
    tools = list(_values(_tools(old), _tools(new)))
    return Diff(
        prompt_id=prompt_id,
        from_version=from_version,
        to_version=to_version,
        identical=not (messages or variables or settings or tools),
        breaking=any(one.breaking for one in variables),
        messages=messages,
        variables=variables,
        settings=settings,
        tools=tools,
    )


def _messages(version: Compiled) -> dict[str, tuple[str, Any]]:
    """Return role and content by place."""
    found: dict[str, tuple[str, Any]] = {}
    if version.spec.instructions is not None:
        found["instructions"] = ("instructions", version.spec.instructions)
    for place, message in enumerate(version.spec.messages or ()):
        found[f"messages[{place}]"] = (message.role, message.content)
    return found


def _texts(old: Mapping[str, tuple[str, Any]], new: Mapping[str, tuple[str, Any]]) -> Iterator[TextChange]:
    for path in dict.fromkeys([*old, *new]):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        change = TextChange(path=path, change=_kind(before, after), before=_plain(before), after=_plain(after))
        if before is not None and after is not None:
            change.lines = _lines(before[1], after[1])
        yield change


def _kind(before: Any, after: Any) -> Any:
    return "added" if before is None else "removed" if after is None else "changed"


def _plain(message: tuple[str, Any] | None) -> Any:
    if message is None:
        return None
    role, content = message
    return content if role == "instructions" else {"role": role, "content": content}


def _lines(before: Any, after: Any) -> list[str]:
    texts = [
        one if isinstance(one, str) else msgspec.json.format(msgspec.json.encode(one)).decode()
        for one in (before, after)
    ]
    lines = difflib.unified_diff(texts[0].splitlines(), texts[1].splitlines(), lineterm="", n=2)
    return [line for line in lines if not line.startswith(("---", "+++"))]


def _declarations(version: Compiled) -> dict[str, Declaration]:
    return {name: version.variables.get(name).declaration for name in version.variables.names}


def _variables(old: Mapping[str, Declaration], new: Mapping[str, Declaration]) -> Iterator[VariableChange]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before is None:
            assert after is not None
            needed = _needed(after)
            reason = "required, and callers do not give it yet" if needed else "optional"
            yield VariableChange(name=name, change="added", breaking=needed, reasons=[reason])
        elif after is None:
            reason = "callers who still give it are refused"
            yield VariableChange(name=name, change="removed", breaking=True, reasons=[reason])
        elif before != after:
            reasons = list(_tighter(before, after))
            yield VariableChange(
                name=name, change="changed", breaking=bool(reasons), reasons=reasons or ["takes all it took before"]
            )


def _needed(declaration: Declaration) -> bool:
    return declaration.required and declaration.default is msgspec.UNSET


def _tighter(before: Declaration, after: Declaration) -> Iterator[str]:
    """Say in which respects a declaration takes less than it did."""
    if before.type != after.type and (before.type, after.type) not in _WIDER:
        yield f"was {before.type}, is {after.type}"
    if _needed(after) and not _needed(before):
        yield "was optional, is required"
    if after.enum is not None and (before.enum is None or set(before.enum) - set(after.enum)):
        yield "takes fewer values"
    if after.min is not None and (before.min is None or after.min > before.min):
        yield f"its least value is now {after.min:g}"
    if after.max is not None and (before.max is None or after.max < before.max):
        yield f"its greatest value is now {after.max:g}"
    if after.max_length is not None and (before.max_length is None or after.max_length < before.max_length):
        yield f"its text may have {after.max_length} characters at most"
    if after.pattern is not None and after.pattern != before.pattern:
        yield "its pattern is another"


def _settings(version: Compiled) -> dict[str, Any]:
    names = [name for name in SETTINGS if name != "tools"]
    return {name: value for name in names if (value := getattr(version.spec, name)) is not None}


def _tools(version: Compiled) -> dict[str, Any]:
    """Return the tools by what tells them apart: type and name."""
    found: dict[str, Any] = {}
    for tool in version.spec.tools or ():
        name = tool.get("name") or tool.get("server_label")
        found[f"{tool['type']}:{name}" if name else tool["type"]] = tool
    return found


def _values(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[ValueChange]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield ValueChange(name=name, change=_kind(before, after), before=before, after=after)

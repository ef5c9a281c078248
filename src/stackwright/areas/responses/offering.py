"""Tools as the model knows them: all are functions."""

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from stackwright.engine.state import Offer
from stackwright.errors import InvalidRequest
from stackwright.wire.tools import (
    ApplyPatchTool,
    CustomTool,
    FunctionTool,
    GrammarFormat,
    LocalEnvironment,
    LocalShellTool,
    McpTool,
    NamespaceTool,
    ShellTool,
    Tool,
    kind,
)

Function = dict[str, Any]
"""A tool in the words of chat completions."""

LOCAL_SHELL, SHELL, APPLY_PATCH = "local_shell", "shell", "apply_patch"
SEPARATOR = "__"
_LONGEST = 64
_UNUSUAL = re.compile(r"[^a-zA-Z0-9_-]")

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_CUSTOM = {"type": "object", "properties": {"input": _TEXT}, "required": ["input"], "additionalProperties": False}
_SHELLS: dict[str, Function] = {
    LOCAL_SHELL: {
        "name": LOCAL_SHELL,
        "description": "Run one command on the user's machine and return what it prints.",
        "parameters": {
            "type": "object",
            "properties": {
                "command": {**_TEXTS, "description": "The program and its arguments."},
                "working_directory": {**_TEXT, "description": "Where to run it."},
                "timeout_ms": {"type": "integer", "description": "How long it may take."},
                "env": {"type": "object", "additionalProperties": _TEXT, "description": "More environment variables."},
            },
            "required": ["command"],
            "additionalProperties": False,
        },
    },
    SHELL: {
        "name": SHELL,
        "description": "Run shell commands on the user's machine and return what they print.",
        "parameters": {
            "type": "object",
            "properties": {
                "commands": {**_TEXTS, "description": "Command lines."},
                "timeout_ms": {"type": "integer", "description": "How long they may take."},
                "max_output_length": {"type": "integer", "description": "Most characters to return."},
            },
            "required": ["commands"],
            "additionalProperties": False,
        },
    },
    APPLY_PATCH: {
        "name": APPLY_PATCH,
        "description": "Create, update or delete one file on the user's machine. `diff` is in the V4A format; "
        "delete_file has none.",
        "parameters": {
            "type": "object",
            "properties": {
                "operation": {
                    "type": "object",
                    "properties": {
                        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
                        "path": _TEXT,
                        "diff": _TEXT,
                    },
                    "required": ["type", "path"],
                    "additionalProperties": False,
                }
            },
            "required": ["operation"],
            "additionalProperties": False,
        },
    },
}
_NOBODYS = ("tunnel_id", "defer_loading")
_MISSING = {
    "file_search": "vector stores are not served here yet",
    "web_search": "no provider for web search is configured",
    "code_interpreter": "no provider that runs code is configured",
    "image_generation": "no provider that makes images is configured",
}


class Offered(NamedTuple):
    """What the model is offered."""

    functions: list[Function]
    offers: dict[str, Offer]
    """What each function stands for, by the name the model knows it under."""
    servers: dict[str, McpTool]
    """MCP servers by their labels: what they offer is known when they were asked."""


class Kit:
    """Decides which tools this server takes."""

    def __init__(self, ignored: Collection[str]) -> None:
        """`ignored` are the types that are dropped without a word, as the run file says."""
        self._ignored = frozenset(ignored)

    def offered(self, tools: Sequence[Tool]) -> Offered:
        """Return what to offer. `InvalidRequest` for a tool that nobody here can run, and for names that clash."""
        found = Offered([], {}, {})
        for place, tool in enumerate(tools):
            self._add(tool, f"tools[{place}]", found)
        return found

    def _add(self, tool: Tool, param: str, found: Offered) -> None:
        _check(tool, param)
        match tool:
            case FunctionTool():
                _offer(_function(tool), Offer(kind="function", name=tool.name), param, found)
            case CustomTool():
                _offer(_custom(tool), Offer(kind="custom", name=tool.name), param, found)
            case NamespaceTool():
                _offer_all(tool, param, found)
            case LocalShellTool():
                _offer(_SHELLS[LOCAL_SHELL], Offer(kind="local_shell", name=LOCAL_SHELL), param, found)
            case ShellTool():
                _offer(_shell(tool), Offer(kind="shell", name=SHELL), param, found)
            case ApplyPatchTool():
                _offer(_SHELLS[APPLY_PATCH], Offer(kind="apply_patch", name=APPLY_PATCH), param, found)
            case _ if kind(tool) in self._ignored:
                pass
            case McpTool():
                if tool.server_label in found.servers:
                    raise InvalidRequest(
                        f"Two MCP servers are called '{tool.server_label}'. Give each a label of its own.",
                        param=f"{param}.server_label",
                    )
                found.servers[tool.server_label] = tool
            case _:
                raise _unserved(tool, param)


def mcp_name(server: str, name: str) -> str:
    """Return the function's name for a tool of an MCP server: at most 64 of the characters that all vendors take."""
    plain = f"{server}{SEPARATOR}{name}"
    clean = _UNUSUAL.sub("_", plain)
    if clean == plain and len(plain) <= _LONGEST:
        return plain
    # What was lost must not make two names one.
    return f"{clean[: _LONGEST - 9]}_{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def _check(tool: Tool, param: str) -> None:
    """Refuse what of a tool nobody here does."""
    if tool.allowed_callers and "direct" not in tool.allowed_callers:
        raise InvalidRequest(
            "Nothing here calls tools from programs. Let the model call this one: 'allowed_callers': ['direct'].",
            param=f"{param}.allowed_callers",
            code="unsupported_parameter",
        )
    for name in _NOBODYS:
        if getattr(tool, name, None):
            raise InvalidRequest(
                f"'{name}' is not supported here.", param=f"{param}.{name}", code="unsupported_parameter"
            )


def _offer(function: Function, offer: Offer, param: str, found: Offered) -> None:
    name = function["name"]
    if name in found.offers:
        raise InvalidRequest(f"Two tools are called '{name}'. Give each a name of its own.", param=f"{param}.name")
    found.functions.append(function)
    found.offers[name] = offer


def _offer_all(group: NamespaceTool, param: str, found: Offered) -> None:
    for place, tool in enumerate(group.tools):
        _check(tool, f"{param}.tools[{place}]")
        function = _function(tool) if isinstance(tool, FunctionTool) else _custom(tool)
        function["name"] = f"{group.name}{SEPARATOR}{tool.name}"
        function["description"] = " ".join(filter(None, (group.description, function.get("description"))))
        kind = "function" if isinstance(tool, FunctionTool) else "custom"
        offer = Offer(kind=kind, name=tool.name, namespace=group.name)  # type: ignore[arg-type]
        _offer(function, offer, f"{param}.tools[{place}]", found)


def _function(tool: FunctionTool) -> Function:
    description = tool.description
    if tool.output_schema:
        # Chat completions have no place for it.
        told = f"Returns JSON of this schema: {msgspec.json.encode(tool.output_schema).decode()}"
        description = f"{description}\n\n{told}" if description else told
    optional = {"description": description, "parameters": tool.parameters, "strict": tool.strict}
    return {"name": tool.name, **{name: value for name, value in optional.items() if value is not None}}


def _shell(tool: ShellTool) -> Function:
    function = _SHELLS[SHELL]
    skills = tool.environment.skills if isinstance(tool.environment, LocalEnvironment) else ()
    if not skills:
        return function
    told = "".join(f"\n- {one.name}: {one.description} See {one.path}/SKILL.md" for one in skills)
    return {**function, "description": f"{function['description']} That machine has skills:{told}"}


def _custom(tool: CustomTool) -> Function:
    described = [tool.description or f"Takes free text as `input`. ({tool.name})"]
    if isinstance(tool.format, GrammarFormat):
        described.append(f"`input` must match this {tool.format.syntax} grammar:\n{tool.format.definition}")
    return {"name": tool.name, "description": "\n\n".join(described), "parameters": _CUSTOM}


def _unserved(tool: Tool, param: str) -> InvalidRequest:
    family = next((name for name in _MISSING if kind(tool).startswith(name)), "")
    why = _MISSING.get(family, "nobody here can run it")
    return InvalidRequest(
        f"The tool '{kind(tool)}' cannot be used: {why}. Leave it out, or list it under responses.ignore_tools in the "
        "run file to have it dropped.",
        param=f"{param}.type",
        code="unsupported_tool",
    )

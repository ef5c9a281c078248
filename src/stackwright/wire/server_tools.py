"""Calls of tools that run on the server, and what came of them."""

from typing import Any, Literal

from msgspec import Struct

from stackwright.wire.content import shown
from stackwright.wire.item import CallId, ItemKind, Status, minted


class MCPTool(Struct, kw_only=True, omit_defaults=True):
    """A tool of an MCP server."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    annotations: dict[str, Any] | None = None


class MCPListTools(ItemKind, kw_only=True, tag="mcp_list_tools"):
    """The tools that an MCP server offers."""

    id: str = minted("mcpl_")
    server_label: str
    tools: list[MCPTool]
    error: str | None = None


class MCPCall(ItemKind, kw_only=True, tag="mcp_call"):
    """A tool of an MCP server was called. `arguments` is JSON as the model wrote it."""

    id: str = minted("mcp_")
    server_label: str
    name: str
    arguments: str
    output: str | None = shown(None)
    error: str | dict[str, Any] | None = shown(None)
    status: Literal["in_progress", "completed", "incomplete", "calling", "failed"] = shown("completed")
    approval_request_id: str | None = shown(None)


class MCPApprovalRequest(ItemKind, kw_only=True, tag="mcp_approval_request"):
    """The model wants to call a tool that the caller must allow."""

    id: str = minted("mcpr_")
    server_label: str
    name: str
    arguments: str


class MCPApprovalResponse(ItemKind, kw_only=True, tag="mcp_approval_response"):
    """What the caller decided."""

    id: str = minted("mcpa_")
    approval_request_id: str
    approve: bool
    reason: str | None = None


class FileSearchResult(Struct, kw_only=True, omit_defaults=True):
    """A passage that was found."""

    file_id: str | None = None
    filename: str | None = None
    score: float | None = None
    text: str | None = None
    attributes: dict[str, str | float | bool] | None = None


class FileSearchCall(ItemKind, kw_only=True, tag="file_search_call"):
    """Vector stores were searched."""

    id: str = minted("fs_")
    queries: list[str]
    status: Literal["in_progress", "searching", "completed", "incomplete", "failed"] = shown("completed")
    results: list[FileSearchResult] | None = shown(None)


class WebSearchCall(ItemKind, kw_only=True, tag="web_search_call"):
    """The web was searched, or a page of it opened."""

    id: str = minted("ws_")
    action: dict[str, Any]
    status: Literal["in_progress", "searching", "completed", "failed"] = shown("completed")


class CodeInterpreterCall(ItemKind, kw_only=True, tag="code_interpreter_call"):
    """Code was run in a container."""

    id: str = minted("ci_")
    container_id: str
    code: str | None = shown(None)
    outputs: list[dict[str, Any]] | None = shown(None)
    status: Literal["in_progress", "completed", "incomplete", "interpreting", "failed"] = shown("completed")


class ImageGenerationCall(ItemKind, kw_only=True, tag="image_generation_call"):
    """An image was made: `result` is Base64."""

    id: str = minted("ig_")
    result: str | None = shown(None)
    status: Literal["in_progress", "completed", "generating", "failed"] = shown("completed")


class ComputerCall(ItemKind, kw_only=True, tag="computer_call"):
    """The model wants something done at a screen."""

    id: str = minted("cu_")
    call_id: CallId
    action: dict[str, Any] | None = None
    actions: list[dict[str, Any]] | None = None
    pending_safety_checks: list[dict[str, Any]] = shown([])
    status: Status = shown("completed")


class Screenshot(Struct, kw_only=True, omit_defaults=True, tag="computer_screenshot", tag_field="type"):
    """What the screen shows."""

    image_url: str | None = None
    file_id: str | None = None


class ComputerCallOutput(ItemKind, kw_only=True, tag="computer_call_output"):
    """What the screen shows afterwards."""

    id: str = minted("cuo_")
    call_id: CallId
    output: Screenshot
    acknowledged_safety_checks: list[dict[str, Any]] | None = None
    status: Status = shown("completed")


class ToolSearchCall(ItemKind, kw_only=True, tag="tool_search_call"):
    """The model looks for more tools."""

    id: str = minted("tsc_")
    call_id: str | None = shown(None)
    execution: Literal["server", "client"] = shown("server")
    arguments: Any
    status: Status = shown("completed")


class ToolSearchOutput(ItemKind, kw_only=True, tag="tool_search_output"):
    """The tools that were found."""

    id: str = minted("tso_")
    call_id: str | None = shown(None)
    execution: Literal["server", "client"] = shown("server")
    tools: list[dict[str, Any]]
    status: Status = shown("completed")


class AdditionalTools(ItemKind, kw_only=True, tag="additional_tools"):
    """Tools that are offered from here on."""

    id: str = minted("at_")
    role: Literal["developer"] = shown("developer")
    tools: list[dict[str, Any]]


class Program(ItemKind, kw_only=True, tag="program"):
    """Code that a model wrote to call tools by."""

    id: str = minted("prog_")
    call_id: CallId
    code: str
    fingerprint: str


class ProgramOutput(ItemKind, kw_only=True, tag="program_output"):
    """What the code came to."""

    id: str = minted("progo_")
    call_id: CallId
    result: str
    status: Literal["completed", "incomplete"]

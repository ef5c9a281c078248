"""Tools that a response may use, as requests offer them and answers show them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.kit.patterns import whole

Name = Annotated[str, Meta(min_length=1, max_length=128, pattern=whole("[a-zA-Z0-9_.-]+"))]


class _Tool(Struct, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    allowed_callers: list[Literal["direct", "programmatic"]] | UnsetType | None = UNSET
    """Whether the model calls the tool itself, or from a program that it writes."""


class FunctionTool(_Tool, kw_only=True, tag="function"):
    """A function of the caller's."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    output_schema: dict[str, Any] | UnsetType | None = UNSET
    defer_loading: bool | UnsetType | None = UNSET


class TextFormat(Struct, tag="text", tag_field="type", forbid_unknown_fields=True):
    """Text of any form."""


class GrammarFormat(Struct, kw_only=True, tag="grammar", tag_field="type", forbid_unknown_fields=True):
    """Text that a grammar describes."""

    syntax: Literal["lark", "regex"]
    definition: str


class CustomTool(_Tool, kw_only=True, tag="custom"):
    """A tool of the caller's whose input is a text of any form."""

    name: Name
    description: str | UnsetType = UNSET
    format: TextFormat | GrammarFormat | UnsetType = UNSET
    defer_loading: bool | UnsetType | None = UNSET


class NamespaceTool(_Tool, kw_only=True, tag="namespace"):
    """A group of the caller's tools under one name."""

    name: Name
    description: str = ""
    tools: Annotated[list[FunctionTool | CustomTool], Meta(min_length=1)]


class LocalShellTool(_Tool, kw_only=True, tag="local_shell"):
    """One command at a time, run by the caller."""


class LocalSkill(Struct, kw_only=True, forbid_unknown_fields=True):
    """Something that the caller's machine has instructions for, in the folder `path`."""

    name: str
    description: str
    path: str


class LocalEnvironment(Struct, tag="local", tag_field="type", omit_defaults=True, forbid_unknown_fields=True):
    """The caller's machine. OpenAI's containers are not here."""

    skills: Annotated[list[LocalSkill], Meta(max_length=200)] = []


class ShellTool(_Tool, kw_only=True, tag="shell"):
    """Some commands at a time, run by the caller."""

    environment: LocalEnvironment | UnsetType | None = UNSET


class ApplyPatchTool(_Tool, kw_only=True, tag="apply_patch"):
    """Changes to files, made by the caller."""


class McpFilter(Struct, kw_only=True, forbid_unknown_fields=True):
    """Some of an MCP server's tools."""

    tool_names: list[str] | UnsetType = UNSET
    read_only: bool | UnsetType = UNSET


class McpApproval(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which tools need the caller's approval for each call."""

    always: McpFilter | UnsetType = UNSET
    never: McpFilter | UnsetType = UNSET


class McpTool(_Tool, kw_only=True, tag="mcp"):
    """The tools of an MCP server, called by this server. `authorization` and `headers` are never shown or stored."""

    server_label: Name
    server_url: str | UnsetType = UNSET
    connector_id: str | UnsetType = UNSET
    tunnel_id: str | UnsetType = UNSET
    server_description: str | UnsetType = UNSET
    authorization: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType | None = UNSET
    allowed_tools: list[str] | McpFilter | None = None
    require_approval: Literal["always", "never"] | McpApproval | None = "always"
    defer_loading: bool | UnsetType = UNSET


class FileSearchTool(_Tool, kw_only=True, tag="file_search"):
    """Search in vector stores, by this server."""

    vector_store_ids: list[str]
    max_num_results: Annotated[int, Meta(ge=1, le=50)] | UnsetType = UNSET
    filters: dict[str, Any] | UnsetType | None = UNSET
    ranking_options: dict[str, Any] | UnsetType = UNSET


class _Elsewhere(_Tool, kw_only=True, forbid_unknown_fields=False):
    """A tool that OpenAI's servers run and this one has nobody to run it for: refused or dropped, whatever it says."""


class WebSearchTool(_Elsewhere, kw_only=True, tag="web_search"):
    """Search in the web."""


class WebSearchDatedTool(_Elsewhere, kw_only=True, tag="web_search_2025_08_26"):
    """Search in the web."""


class WebSearchPreviewTool(_Elsewhere, kw_only=True, tag="web_search_preview"):
    """Search in the web."""


class WebSearchPreviewDatedTool(_Elsewhere, kw_only=True, tag="web_search_preview_2025_03_11"):
    """Search in the web."""


class CodeInterpreterTool(_Elsewhere, kw_only=True, tag="code_interpreter"):
    """Run Python."""


class ImageGenerationTool(_Elsewhere, kw_only=True, tag="image_generation"):
    """Draw."""


class ComputerTool(_Elsewhere, kw_only=True, tag="computer"):
    """Use a computer."""


class ComputerUsePreviewTool(_Elsewhere, kw_only=True, tag="computer_use_preview"):
    """Use a computer."""


class ToolSearchTool(_Elsewhere, kw_only=True, tag="tool_search"):
    """Find tools that are loaded late."""


class ProgrammaticTool(_Elsewhere, kw_only=True, tag="programmatic_tool_calling"):
    """Call tools from a program."""


ElsewhereTool = (
    WebSearchTool
    | WebSearchDatedTool
    | WebSearchPreviewTool
    | WebSearchPreviewDatedTool
    | CodeInterpreterTool
    | ImageGenerationTool
    | ComputerTool
    | ComputerUsePreviewTool
    | ToolSearchTool
    | ProgrammaticTool
)
ClientTool = FunctionTool | CustomTool | NamespaceTool | LocalShellTool | ShellTool | ApplyPatchTool
"""What the caller runs: offered to the model as functions."""
Tool = ClientTool | McpTool | FileSearchTool | ElsewhereTool


class _Choice(Struct, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    pass


class ChooseFunction(_Choice, kw_only=True, tag="function"):
    """Call this function."""

    name: str


class ChooseCustom(_Choice, kw_only=True, tag="custom"):
    """Call this custom tool."""

    name: str


class ChooseMcp(_Choice, kw_only=True, tag="mcp"):
    """Call this tool of an MCP server, or any of its tools."""

    server_label: str
    name: str | None = None


class AllowedTool(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A tool, by what tells it from the others."""

    type: str
    name: str | None = None
    server_label: str | None = None


class ChooseAllowed(_Choice, kw_only=True, tag="allowed_tools"):
    """Call only some of the tools that were offered."""

    mode: Literal["auto", "required"]
    tools: list[AllowedTool]


class ChooseShell(_Choice, kw_only=True, tag="shell"):
    """Call the shell."""


class ChooseLocalShell(_Choice, kw_only=True, tag="local_shell"):
    """Call the local shell."""


class ChooseApplyPatch(_Choice, kw_only=True, tag="apply_patch"):
    """Call the patch tool."""


class ChooseFileSearch(_Choice, kw_only=True, tag="file_search"):
    """Search in the files."""


class ChooseWebSearch(_Choice, kw_only=True, tag="web_search_preview"):
    """Search in the web."""


class ChooseWebSearchDated(_Choice, kw_only=True, tag="web_search_preview_2025_03_11"):
    """Search in the web."""


class ChooseComputer(_Choice, kw_only=True, tag="computer"):
    """Use a computer."""


class ChooseComputerUse(_Choice, kw_only=True, tag="computer_use"):
    """Use a computer."""


class ChooseComputerUsePreview(_Choice, kw_only=True, tag="computer_use_preview"):
    """Use a computer."""


class ChooseProgrammatic(_Choice, kw_only=True, tag="programmatic_tool_calling"):
    """Call tools from a program."""


class ChooseCodeInterpreter(_Choice, kw_only=True, tag="code_interpreter"):
    """Run Python."""


class ChooseImageGeneration(_Choice, kw_only=True, tag="image_generation"):
    """Draw."""


ToolChoice = (
    Literal["none", "auto", "required"]
    | ChooseFunction
    | ChooseCustom
    | ChooseMcp
    | ChooseAllowed
    | ChooseShell
    | ChooseLocalShell
    | ChooseApplyPatch
    | ChooseFileSearch
    | ChooseWebSearch
    | ChooseWebSearchDated
    | ChooseComputer
    | ChooseComputerUse
    | ChooseComputerUsePreview
    | ChooseProgrammatic
    | ChooseCodeInterpreter
    | ChooseImageGeneration
)


def kind(tool: Tool) -> str:
    """Return a tool's `type`."""
    tag = tool.__struct_config__.tag
    assert isinstance(tag, str)
    return tag

"""Calls of tools that the caller runs, and what came of them."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from stackwright.ids import mint
from stackwright.wire.content import InputPart, shown
from stackwright.wire.item import CallId, ItemKind, Status, minted


class FunctionCall(ItemKind, kw_only=True, tag="function_call"):
    """The model calls a function of the caller. `arguments` is JSON as the model wrote it."""

    id: str = minted("fc_")
    call_id: CallId
    name: str
    arguments: str
    status: Status = shown("completed")
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class FunctionCallOutput(ItemKind, kw_only=True, tag="function_call_output"):
    """What the caller's function returned."""

    id: str = minted("fco_")
    call_id: CallId
    output: str | list[InputPart]
    status: Status = shown("completed")
    name: str | None = None
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class CustomToolCall(ItemKind, kw_only=True, tag="custom_tool_call"):
    """The model calls a tool of the caller that takes plain text."""

    id: str = minted("ctc_")
    call_id: CallId
    name: str
    input: str
    status: Status = shown("completed")
    namespace: str | None = None
    caller: dict[str, Any] | None = None


class CustomToolCallOutput(ItemKind, kw_only=True, tag="custom_tool_call_output"):
    """What the caller's plain-text tool returned."""

    id: str = minted("ctco_")
    call_id: CallId
    output: str | list[InputPart]
    status: Status = shown("completed")
    caller: dict[str, Any] | None = None


class LocalShellAction(Struct, kw_only=True, omit_defaults=True, tag="exec", tag_field="type"):
    """One command, already split."""

    command: list[str]
    env: dict[str, str] = shown({})
    timeout_ms: int | None = None
    working_directory: str | None = None
    user: str | None = None


class LocalShellCall(ItemKind, kw_only=True, tag="local_shell_call"):
    """The model wants a command run on the caller's machine."""

    id: str = minted("lsh_")
    call_id: CallId
    action: LocalShellAction
    status: Status = shown("completed")


class LocalShellCallOutput(ItemKind, kw_only=True, tag="local_shell_call_output"):
    """What the command printed, as JSON text. OpenAI's client has no `call_id` here and says it in `id`."""

    id: str = ""
    call_id: str = shown("")
    output: str
    status: Status = shown("completed")

    def __post_init__(self) -> None:
        if not self.id and not self.call_id:
            raise ValueError("a local_shell_call_output needs the 'call_id' of the call it answers")
        self.call_id = self.call_id or self.id
        self.id = self.id or mint("lsho_")


class ShellAction(Struct, kw_only=True):
    """Commands for a shell, and their limits."""

    commands: list[str]
    timeout_ms: int | None = None
    max_output_length: int | None = None


class ShellCall(ItemKind, kw_only=True, tag="shell_call"):
    """The model wants commands run in the caller's shell."""

    id: str = minted("sh_")
    call_id: CallId
    action: ShellAction
    status: Status = shown("completed")
    environment: dict[str, Any] | None = shown(None)
    caller: dict[str, Any] | None = None


class ShellExit(Struct, kw_only=True, tag="exit", tag_field="type"):
    """A command ended by itself."""

    exit_code: int


class ShellTimeout(Struct, kw_only=True, tag="timeout", tag_field="type"):
    """A command took too long."""


class ShellOutput(Struct, kw_only=True):
    """What one command printed, and how it ended."""

    stdout: str
    stderr: str
    outcome: ShellExit | ShellTimeout


class ShellCallOutput(ItemKind, kw_only=True, tag="shell_call_output"):
    """What the commands printed."""

    id: str = minted("sho_")
    call_id: CallId
    output: list[ShellOutput]
    status: Status = shown("completed")
    max_output_length: int | None = shown(None)
    caller: dict[str, Any] | None = None


Path = Annotated[str, Meta(min_length=1)]


class CreateFile(Struct, kw_only=True, tag="create_file", tag_field="type"):
    """Make a file."""

    path: Path
    diff: str


class UpdateFile(Struct, kw_only=True, tag="update_file", tag_field="type"):
    """Change a file."""

    path: Path
    diff: str


class DeleteFile(Struct, kw_only=True, tag="delete_file", tag_field="type"):
    """Remove a file."""

    path: Path


class ApplyPatchCall(ItemKind, kw_only=True, tag="apply_patch_call"):
    """The model wants a file changed on the caller's machine."""

    id: str = minted("apc_")
    call_id: CallId
    operation: CreateFile | UpdateFile | DeleteFile
    status: Literal["in_progress", "completed"] = shown("completed")
    caller: dict[str, Any] | None = None


class ApplyPatchCallOutput(ItemKind, kw_only=True, tag="apply_patch_call_output"):
    """Whether the change could be made."""

    id: str = minted("apco_")
    call_id: CallId
    status: Literal["completed", "failed"]
    output: str | None = None
    caller: dict[str, Any] | None = None

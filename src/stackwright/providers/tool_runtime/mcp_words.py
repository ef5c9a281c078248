"""What MCP servers say, as our ports say it: outputs as text, failures as one kind of error."""

from collections.abc import Iterator
from http import HTTPStatus

import httpx2
import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from stackwright.errors import StackwrightError
from stackwright.ports.tools import ToolOutput, ToolServerError
from stackwright.providers.tool_runtime.heads import TooLong

_LONGEST_MESSAGE = 1000


def output(result: types.CallToolResult, most: int) -> ToolOutput:
    """Return what a tool said, in at most so many bytes."""
    text = "\n".join(map(_said, result.content))
    if not result.content and result.structured_content is not None:
        text = msgspec.json.encode(result.structured_content).decode()
    return ToolOutput(_cut(text, most), result.is_error)


def failure(error: BaseException, refused: int | None) -> ToolServerError:
    """Return the failure that an error is; `refused` is the status of the HTTP answer, if that was one."""
    leaves = list(_leaves(error))
    for leaf in leaves:
        match leaf:
            case ToolServerError():
                return leaf
            case StackwrightError():
                return ToolServerError(leaf.message)
            case httpx2.HTTPStatusError():
                refused = leaf.response.status_code
    if refused is not None and refused < HTTPStatus.BAD_REQUEST:
        # Not where to: the path may be a secret, and this is stored.
        return ToolServerError(f"It redirects ({refused}), which is not followed. Give the address that it leads to.")
    if refused is not None:
        return ToolServerError(f"It answered with status {refused} ({_phrase(refused)}).", http=refused)
    for leaf in leaves:
        match leaf:
            case MCPError(code=types.PARSE_ERROR):
                return ToolServerError("Its answer is not one of this protocol.", rpc=types.PARSE_ERROR)
            case MCPError():
                return ToolServerError(leaf.message[:_LONGEST_MESSAGE], rpc=leaf.code)
            case TimeoutError() | httpx2.TimeoutException():
                return ToolServerError("It did not answer in time.", rpc=types.REQUEST_TIMEOUT)
            case ValidationError():
                return ToolServerError("Its answer is not one of this protocol.", rpc=types.INVALID_REQUEST)
            case httpx2.ConnectError():
                return ToolServerError("It cannot be reached.")
            case TooLong() | httpx2.SSEError():
                return ToolServerError("Its answer is too long, or is none.")
    return ToolServerError("The connection broke off.")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _said(block: types.ContentBlock) -> str:
    match block:
        case types.TextContent():
            return block.text
        case types.EmbeddedResource(resource=types.TextResourceContents() as resource):
            return resource.text
        case types.ResourceLink():
            return f"[{block.name}]({block.uri})"
        case types.ImageContent() | types.AudioContent():
            return f"[{block.mime_type}, which cannot be shown here]"
        case _:
            return "[binary content, which cannot be shown here]"


def _cut(text: str, most: int) -> str:
    raw = text.encode()
    if len(raw) <= most:
        return text
    return raw[:most].decode(errors="ignore") + f"\n[cut off here: {len(raw)} bytes, {most} are shown]"


def _phrase(status: int) -> str:
    return next((known.phrase for known in HTTPStatus if known == status), "unknown")

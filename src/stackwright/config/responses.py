"""The `responses:` section: what the Responses API does with what it cannot do."""

from typing import Literal

from pydantic import Field

from stackwright.config.section import Section

ToolType = Literal[
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
    "code_interpreter",
    "image_generation",
    "file_search",
    "computer",
    "computer_use_preview",
    "tool_search",
    "programmatic_tool_calling",
    "mcp",
]


class Responses(Section):
    """The Responses API."""

    ignore_tools: tuple[ToolType, ...] = Field(
        (),
        description="Types of tools to drop from requests without a word, such as `[web_search, image_generation]`. "
        "Otherwise a tool that nobody here can run is a 400.",
    )

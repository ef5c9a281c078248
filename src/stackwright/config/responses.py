"""The `responses:` section: what the Responses API does with what it cannot do."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

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


class Background(Section):
    """Responses with `background: true`."""

    workers: PositiveInt = Field(
        4, description="Most that a server process makes at once. What a process that died left behind comes on top."
    )
    queue: PositiveInt = Field(1000, description="Most that wait to be begun, in all processes; one more is a 429.")
    seconds: PositiveFloat = Field(3600.0, description="Longest that one may take; then it fails.")
    lease_seconds: float = Field(
        30.0,
        ge=1.5,
        description="Longest that a process may be silent before its responses are another's. The same in all "
        "processes.",
    )
    events_seconds: PositiveFloat = Field(
        86400.0, description="How long after the end of a response its stream can be read again."
    )


def _place(entry: str) -> str:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", entry) or re.fullmatch(r"[\d.]+", entry):
            raise ValueError("This is neither a server's name nor an IP address or network") from None
    return entry


class _Callers(Section):
    """Servers that callers name, called by this one."""

    allow_private: tuple[Annotated[str, AfterValidator(_place)], ...] = Field(
        (),
        description="Servers that may be called although they are not public: names, addresses and networks. "
        "They may speak http.",
        examples=[["localhost", "tools.internal", "10.0.0.0/8"]],
    )
    allow_http: bool = Field(False, description="Call public servers without TLS too.")


class Mcp(_Callers):
    """Tools of type `mcp`: servers that callers name, called by this one."""

    connect_seconds: PositiveFloat = Field(
        10.0, description="Longest that a server may take to be connected and to say which tools it has."
    )
    call_seconds: PositiveFloat = Field(60.0, description="Longest that one call of a tool may take.")
    max_output_bytes: PositiveInt = Field(
        200_000, description="What a tool says beyond that is cut off; the model is told so."
    )


class FileUrls(_Callers):
    """Files that an `input_file` names by its `file_url`, fetched by this server."""

    enabled: bool = Field(True, description="Fetch them. Otherwise a `file_url` is a 400.")
    connect_seconds: PositiveFloat = Field(5.0, description="Longest that a server may take to be connected.")
    seconds: PositiveFloat = Field(
        30.0, description="Longest that the files of one request may take together, redirects included."
    )


class WebSockets(Section):
    """Responses over WebSockets. A message may be as large as a body, see server.max_body_bytes."""

    connections: PositiveInt = Field(256, description="Most that a server process holds at once; one more is a 503.")
    idle_seconds: PositiveFloat = Field(600.0, description="A connection on which nothing is made is closed then.")
    seconds: PositiveFloat = Field(3600.0, description="Longest that one may live. OpenAI closes them after an hour.")


class Responses(Section):
    """The Responses API."""

    ignore_tools: tuple[ToolType, ...] = Field(
        (),
        description="Types of tools to drop from requests without a word, such as `[web_search, image_generation]`. "
        "Otherwise a tool that nobody here can run is a 400.",
    )
    max_file_bytes: PositiveInt = Field(
        32 * 1024 * 1024,
        description="Most bytes that the files of a request may have together, uploaded ones and those by URL, its "
        "history included; the model is sent all of them. More is a 413.",
    )
    max_file_bytes_at_once: PositiveInt = Field(
        256 * 1024 * 1024,
        description="Most bytes that the files of all requests under way may have together, in a server process; "
        "those sent as `data:` URLs count too. A byte of a file takes up to four bytes of memory. Requests wait 10 s "
        "for room, those with `data:` URLs not at all, then they are a 503.",
    )
    file_urls: FileUrls = Field(FileUrls(), description="Files that an `input_file` names by its `file_url`.")
    mcp: Mcp = Field(Mcp(), description="Tools of type `mcp`.")
    websockets: WebSockets = Field(WebSockets(), description="Limits of WebSockets.")
    background: Background = Field(Background(), description="Limits of responses with `background: true`.")

    @model_validator(mode="after")
    def _room_for_a_request(self) -> Self:
        if self.max_file_bytes > self.max_file_bytes_at_once:
            raise ValueError(
                f"max_file_bytes ({self.max_file_bytes}) is more than max_file_bytes_at_once "
                f"({self.max_file_bytes_at_once}), which all requests share. Raise that, or lower max_file_bytes"
            )
        return self

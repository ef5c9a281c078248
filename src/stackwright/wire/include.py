"""What an answer holds only when `include` asks for it."""

from collections.abc import Collection
from typing import Literal

from stackwright.wire.content import InputImage, OutputText
from stackwright.wire.items import (
    CodeInterpreterCall,
    ComputerCallOutput,
    FileSearchCall,
    Item,
    Message,
    Reasoning,
    WebSearchCall,
)

Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]

_MARKS = (
    b'"image_url":',
    b'"encrypted_content":',
    b'"logprobs":[{',
    b'"results":[',
    b'"outputs":[',
    b'"sources":',
)


def may_hide(raw: bytes) -> bool:
    """False when `hide` would change nothing of the items in this JSON. Saves decoding most of them."""
    return any(mark in raw for mark in _MARKS)


def hide(item: Item, include: Collection[str]) -> Item:
    """Take out of an item what is not included, and return it."""
    match item:
        case Message(content=parts):
            for part in parts:
                if isinstance(part, OutputText) and "message.output_text.logprobs" not in include:
                    part.logprobs = []
                elif isinstance(part, InputImage) and "message.input_image.image_url" not in include:
                    part.image_url = None
        case Reasoning() if "reasoning.encrypted_content" not in include:
            item.encrypted_content = None
        case FileSearchCall() if "file_search_call.results" not in include:
            item.results = None
        case CodeInterpreterCall() if "code_interpreter_call.outputs" not in include:
            item.outputs = None
        case ComputerCallOutput() if "computer_call_output.output.image_url" not in include:
            item.output.image_url = None
        case WebSearchCall(action=action) if "web_search_call.action.sources" not in include:
            action.pop("sources", None)
    return item

"""The names that chat completions have for what requests and prompts call otherwise."""

from collections.abc import Mapping

CHATS: Mapping[str, str | None] = {
    "audio": None,
    "function_call": "tool_choice",
    "functions": "tools",
    "logprobs": "top_logprobs",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "modalities": None,
    "n": None,
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
}
"""What chat completions call what has another name in a response, or does not exist."""

"""What is wrong with a request whatever the model is: told before anybody is asked."""

from msgspec import UNSET

from stackwright.errors import InvalidRequest
from stackwright.wire.responses import ConversationRef, Reasoning, ResponseRequest

_NOBODYS = ("moderation", "context_management", "background_options", "image", "access_programs")
"""What OpenAI does with its own models and machines."""


def check(request: ResponseRequest) -> None:
    """Refuse what nobody here does."""
    for name in _NOBODYS:
        if getattr(request, name):
            raise InvalidRequest(
                f"Unsupported parameter: '{name}' is not supported here.", param=name, code="unsupported_parameter"
            )
    if request.stream_options is not None and not request.stream:
        raise InvalidRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if request.reasoning is not None:
        _check_reasoning(request.reasoning)
    if request.background and request.store is False:
        raise InvalidRequest("Background responses must be stored: leave 'store' out.", param="store")


def _check_reasoning(wanted: Reasoning) -> None:
    for name in ("summary", "generate_summary"):
        if getattr(wanted, name) in ("concise", "detailed"):
            raise InvalidRequest(
                "Nobody here writes summaries of what a model thought. Leave it out, or ask for 'auto', which is the "
                "best there is: none. What a model shows of its reasoning is in the 'content' of its reasoning item.",
                param=f"reasoning.{name}",
                code="unsupported_value",
            )
    if wanted.mode not in (UNSET, None, "standard"):
        raise InvalidRequest(
            f"Unsupported value: '{wanted.mode}'. Models here reason in 'standard' mode.",
            param="reasoning.mode",
            code="unsupported_value",
        )


def check_input(request: ResponseRequest) -> None:
    """Refuse a request that says nothing at all."""
    sources = [request.input, request.previous_response_id, request.conversation]
    if all(source is None for source in sources):
        raise InvalidRequest(
            "One of 'input', 'previous_response_id', 'prompt' or 'conversation' must be provided.",
            param="input",
            code="missing_required_parameter",
        )


def check_unstored(request: ResponseRequest) -> None:
    """Refuse to store what goes on from a response that is not stored."""
    if request.store is not False:
        raise InvalidRequest(
            f"Previous response with id '{request.previous_response_id}' is not stored, so a response that continues "
            "it cannot be either: send 'store: false'.",
            param="store",
        )


def conversation_of(request: ResponseRequest) -> str | None:
    """Return the id of a request's conversation, if it has one."""
    given = request.conversation
    if given is not None and request.previous_response_id is not None:
        raise InvalidRequest(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. A conversation has its own "
            "history.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )
    return given.id if isinstance(given, ConversationRef) else given


def not_found(what: str, id: str, param: str, code: str | None, status: int) -> InvalidRequest:
    """Return the refusal of something that is named and is not there."""
    error = InvalidRequest(f"{what} with id '{id}' not found.", param=param, code=code)
    error.status = status
    return error


def model_of(request: ResponseRequest) -> str:
    """Return the model of a request, which must name one."""
    if request.model is None:
        raise InvalidRequest("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    return request.model

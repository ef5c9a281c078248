"""OpenAI's error envelope."""

import msgspec

from stackwright.errors import StackwrightError


def envelope(error: StackwrightError) -> bytes:
    """Return the JSON body that tells a caller what went wrong."""
    body = {"message": error.told, "type": error.type, "param": error.param, "code": error.code, **error.details}
    return msgspec.json.encode({"error": body})


def event(error: StackwrightError) -> bytes:
    """Return the same envelope as a server-sent event, for a stream that has begun."""
    return b"data: " + envelope(error) + b"\n\n"


def bug() -> StackwrightError:
    """What a caller is told when the fault is ours; the log has the rest, under the same request id."""
    return StackwrightError("The server had an error while processing your request.", code="internal_error")

"""The tree of failures. Inner rooms raise these and nothing else; `http.errors` turns them into OpenAI's envelope."""

from collections.abc import Mapping
from typing import Any


class StackwrightError(Exception):
    """A failure with a caller: what to tell them, and under which HTTP status."""

    status = 500
    type = "server_error"
    code: str | None = None
    details: Mapping[str, Any] = {}
    """What a program needs to go on, beside the four fields that every refusal has."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.headers = dict(headers or {})

    @property
    def told(self) -> str:
        """What callers are told. The message itself is for the log, and for whoever runs the server."""
        return self.message


class InvalidRequest(StackwrightError):
    """The caller sent something that cannot be done, whatever the weather."""

    status = 400
    type = "invalid_request_error"


class Unauthenticated(InvalidRequest):
    """No credentials, or credentials nobody knows."""

    status = 401
    code = "invalid_api_key"


class NotFound(InvalidRequest):
    """No such object in the caller's scope. Somebody else's object is no object."""

    status = 404

    def __init__(self, kind: str, id: str, *, param: str = "id", code: str | None = None) -> None:
        super().__init__(f"No {kind} with id {id!r}.", param=param, code=code)


class UnknownModel(InvalidRequest):
    """No provider serves a model of this name. `more` may say which there are."""

    status = 404
    code = "model_not_found"

    def __init__(self, name: str, more: str = "") -> None:
        super().__init__(f"The model {name!r} does not exist or you do not have access to it.{more}", param="model")


class Conflict(InvalidRequest):
    """The object is not in the state the caller thought: taken, moved on, or changed underneath."""

    status = 409
    code = "conflict"


class TooLarge(InvalidRequest):
    """The body exceeds the limit in the run file."""

    status = 413
    code = "request_too_large"


class RateLimited(StackwrightError):
    """A limit of ours or of the vendor's. `retry_after` is in seconds."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"

    def __init__(
        self, message: str, *, retry_after: str | None = None, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message, code=code, param=param, headers={"retry-after": retry_after} if retry_after else None)


class Unavailable(StackwrightError):
    """A part we need is away or busy; the same request may succeed in `retry_after` seconds."""

    status = 503
    type = "service_unavailable_error"
    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, code=code, headers={"retry-after": str(retry_after)})


class Unreachable(Unavailable):
    """A database does not answer, or refuses us. Where it is, is not for callers to know."""

    def __init__(self, backend: str, why: str) -> None:
        super().__init__(f"Backend {backend!r}: {why}")
        self.backend = backend
        self.why = why

    @property
    def told(self) -> str:
        """The backend's name."""
        return f"Backend {self.backend!r} cannot be reached at the moment."


class StorageFull(StackwrightError):
    """The database's disk is full. Nothing was written."""

    status = 507
    code = "storage_full"


class UpstreamError(StackwrightError):
    """The vendor failed: unreachable, 5xx, or an answer that is not one."""

    status = 502
    type = "upstream_error"
    code = "upstream_error"


class UpstreamAuth(UpstreamError):
    """The vendor refused *our* credentials. Never a 401: the caller's own key is fine."""

    code = "upstream_auth"


class UpstreamTimeout(UpstreamError):
    """The vendor missed a deadline: connect, first byte, between chunks, or total."""

    status = 504
    code = "upstream_timeout"


class MissingExtra(StackwrightError):
    """A part of ours needs a Python package that is not installed."""

    code = "missing_extra"

    def __init__(self, what: str, module: str | None, extra: str | None) -> None:
        wanted = f"stackwright[{extra}]" if extra else module
        super().__init__(f"{what} needs the Python package '{module}': pip install '{wanted}'")

"""What a vendor's refusal means to our caller: its fault, the vendor's, or ours."""

from typing import Any, NoReturn

import msgspec

from stackwright.config import secret
from stackwright.errors import InvalidRequest, RateLimited, UpstreamAuth, UpstreamError, UpstreamTimeout
from stackwright.providers.http1 import HttpError, Late
from stackwright.providers.inference import repair
from stackwright.providers.inference.reading import NO_JSON, excerpt

CALLERS_FAULT = {400, 404, 409, 413, 415, 422}
QUOTE = 500


class Refusals:
    """Translates for one provider. No secret of ours is in what it raises, whatever a vendor says."""

    def __init__(self, label: str) -> None:
        """Name the provider as messages shall (`remote::openai at https://...`)."""
        self.label = label

    def raise_broken(self, error: HttpError) -> NoReturn:
        """Raise what an exchange without an answer is."""
        kind = UpstreamTimeout if isinstance(error, Late) else UpstreamError
        raise kind(f"{self.label}: {redacted(str(error))}.") from error

    def raise_named(self, error: UpstreamError) -> NoReturn:
        """Raise an error that was met while reading, with the provider's name and without its secrets."""
        raise type(error)(f"{self.label}: {redacted(error.message)}", code=error.code) from error

    def raise_status(self, status: int, body: bytes, retry_after: str | None) -> NoReturn:
        """Raise what an answer with this status is."""
        fault = _fault(body)
        said = redacted(fault["message"] or excerpt(body, QUOTE) or "no reason given")
        if status in (401, 403):
            raise UpstreamAuth(
                f"{self.label} refused our credentials ({status}). Check config.api_key of this provider."
            )
        if status == 429:
            raise RateLimited(said, retry_after=retry_after, code=fault["code"], param=fault["param"])
        if status in CALLERS_FAULT and (fault["message"] or status == 400):
            refusal = InvalidRequest(said, param=fault["param"], code=fault["code"])
            refusal.status = status
            raise refusal
        if status == 404:
            said += " (is config.base_url right?)"
        raise UpstreamError(f"{self.label} answered {status}: {said}")


def redacted(text: str) -> str:
    """Return a vendor's words without our secrets, at most 500 characters."""
    return secret.redacted(text)[:QUOTE]


def _fault(body: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except NO_JSON:
        said = None
    inner = said[0] if isinstance(said, list) and said else said
    error = inner.get("error") if isinstance(inner, dict) else None
    detail = error if isinstance(error, dict) else inner if isinstance(inner, dict) else {}
    return {
        "message": repair.complaint(said),
        "param": detail["param"] if isinstance(detail.get("param"), str) else None,
        "code": str(detail["code"]) if isinstance(detail.get("code"), str) else None,
    }

"""From a checked request body to a call in a vendor's hands."""

from collections.abc import Set

import msgspec
from msgspec import Raw

from stackwright.areas.models.index import Target
from stackwright.errors import InvalidRequest
from stackwright.ports.inference import ModelCall

fields = msgspec.json.Decoder(dict[str, Raw]).decode
"""Take a JSON object apart by top-level field, each value left as its bytes."""

_OURS = frozenset({"model", "store", "metadata", "stream"})
_WAYS = frozenset({"api_base", "api_key", "api_version", "base_url", "custom_llm_provider", "extra_headers"})
"""What proxies in front of vendors take for where to send a request, and as whom."""


def call_of(target: Target, raw: bytes) -> ModelCall:
    """Return the call that a request body, checked before, asks of its target."""
    return ModelCall(target.name, passed_on(raw, _OURS))


def passed_on(raw: bytes, ours: Set[str]) -> dict[str, Raw]:
    """Return the fields of a body that its vendor gets as they came: all but `ours`."""
    params = fields(raw)
    for name in ours & params.keys():
        del params[name]
    if not _WAYS.isdisjoint(params):
        name = min(_WAYS & params.keys())
        raise InvalidRequest(
            f"'{name}' is not for requests to say: where they go, and with which key, is in the run file.",
            param=name,
            code="unsupported_parameter",
        )
    return params

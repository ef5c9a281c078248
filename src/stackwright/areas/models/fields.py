"""From a checked request body to a call in a vendor's hands."""

import msgspec
from msgspec import Raw

from stackwright.areas.models.index import Target
from stackwright.ports.inference import ModelCall

fields = msgspec.json.Decoder(dict[str, Raw]).decode
"""Take a JSON object apart by top-level field, each value left as its bytes."""

_OURS = ("model", "store", "metadata", "stream")


def call_of(target: Target, raw: bytes) -> ModelCall:
    """Return the call that a request body, checked before, asks of its target."""
    params = fields(raw)
    for name in _OURS:
        params.pop(name, None)
    return ModelCall(target.name, params)

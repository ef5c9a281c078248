"""The effective run file as YAML: defaults filled in, variables replaced, secrets masked."""

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from stackwright.config.runfile import RunFile
from stackwright.config.secret import MASK, Secret, mask_url, smells

LONG = 8
"""A secret of this length is masked inside of other text as well; a shorter one only where it is the whole value."""


def show(run: RunFile) -> str:
    """Return the run file as it is in effect. Without secrets in it, it loads again as the same."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1_000_000
    stream = StringIO()
    yaml.dump(_plain(run, "", frozenset(_secrets(run))), stream)
    return stream.getvalue()


def _plain(value: Any, name: str, hidden: frozenset[str]) -> Any:
    if isinstance(value, BaseModel):
        fields = {key: (getattr(value, key), field) for key, field in type(value).model_fields.items()}
        # What is None by default says nothing.
        return {
            k: _plain(v, k, hidden) for k, (v, field) in fields.items() if v is not None or field.default is not None
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item, str(key), hidden) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, name, hidden) for item in value]
    if isinstance(value, (Secret, SecretStr, SecretBytes)):
        return MASK
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _text(value if isinstance(value, str) else str(to_jsonable_python(value, fallback=str)), name, hidden)


def _text(text: str, name: str, hidden: frozenset[str]) -> str:
    if text and (smells(name) or text in hidden):
        return MASK
    for secret in hidden:
        if len(secret) >= LONG:
            text = text.replace(secret, MASK)
    return mask_url(text).replace("${", "$${")


def _secrets(value: Any) -> Iterable[str]:
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _secrets(item)

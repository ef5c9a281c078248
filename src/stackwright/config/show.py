"""The effective run file as YAML: defaults filled in, variables replaced, secrets masked."""

from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from stackwright.config.runfile import RunFile
from stackwright.config.secret import MASK, Secret, mask_url, redacted, smells
from stackwright.config.sharing import groups, limits_of
from stackwright.config.storage import KV_ONLY, PostgresBackend, SqliteBackend


def show(run: RunFile) -> str:
    """Return the run file as it is in effect. Without secrets in it, it loads again as the same."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1_000_000
    stream = StringIO()
    yaml.dump(_plain(_shared(run), "", frozenset(_secrets(run))), stream)
    return stream.getvalue()


def _shared(run: RunFile) -> RunFile:
    """Give backends of one database the settings that are in effect for all of them."""
    backends = dict(run.storage.backends)
    for names in groups(backends):
        limits = limits_of([backends[name] for name in names])
        backends.update({name: backends[name].model_copy(update=limits) for name in names})
    return run.model_copy(update={"storage": run.storage.model_copy(update={"backends": backends})})


def _plain(value: Any, name: str, hidden: frozenset[str]) -> Any:
    if isinstance(value, BaseModel):
        return {key: _plain(item, key, hidden) for key, item in _fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, str(key), hidden) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, name, hidden) for item in value]
    if isinstance(value, (Secret, SecretStr, SecretBytes)):
        return MASK
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _text(value if isinstance(value, str) else str(to_jsonable_python(value, fallback=str)), name, hidden)


def _fields(value: BaseModel) -> Iterable[tuple[str, Any]]:
    sql = isinstance(value, SqliteBackend | PostgresBackend) and value.type.startswith("sql_")
    for key, field in type(value).model_fields.items():
        item = getattr(value, key)
        # What is None by default says nothing, and a SQL backend has not what is for KV backends only.
        if (item is not None or field.default is not None) and not (sql and key in KV_ONLY):
            yield key, item


def _text(text: str, name: str, hidden: frozenset[str]) -> str:
    if text and smells(name):
        return MASK
    return mask_url(redacted(text, hidden)).replace("${", "$${")


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

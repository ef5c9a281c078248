"""What every mapping of the run file has in common."""

from collections.abc import Mapping
from functools import cache
from types import NoneType
from typing import Any, get_args

from pydantic import AliasChoices, BaseModel, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from stackwright.config.locate import Located
from stackwright.config.secret import Substituted


class Section(BaseModel):
    """A mapping of the run file. A key nobody reads is a complaint, never ignored.

    Read from a file, a key without a value is a key left out, and where a field may be None, a substitution that
    yields nothing is None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, value: Any) -> Any:
        if not isinstance(value, Located):
            return value
        value.node.readers.append(cls)
        settled: dict[str, Any] = {}
        for name, item in value.items():
            field = keys(cls).get(name)
            if field is None:
                settled[name] = item
            elif item is not None or field.is_required() or _optional(field.annotation):
                settled[name] = _settle(item, field.annotation)
        return settled


@cache
def keys(cls: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return the keys that a class reads, older names included, in the order of its fields."""
    found: dict[str, FieldInfo] = {}
    for name, field in cls.model_fields.items():
        alias = field.validation_alias
        if alias is None or cls.model_config.get("populate_by_name"):
            found[name] = field
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        found.update({choice: field for choice in choices if isinstance(choice, str)})
    return found


def _optional(annotation: Any) -> bool:
    return annotation is Any or NoneType in get_args(annotation)


def _settle(item: Any, annotation: Any) -> Any:
    if isinstance(item, Substituted) and not item and _optional(annotation):
        return None
    # Python counts True as the integer 1; a file that says `port: true` does not mean port 1.
    if isinstance(item, bool) and annotation in (int, float):
        return str(item).lower()
    return item

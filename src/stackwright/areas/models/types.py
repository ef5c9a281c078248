"""The objects of the Models API."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stackwright.kit.patterns import whole
from stackwright.ports.inference import ModelKind

Scalar = str | int | float | bool


class Model(Struct, kw_only=True):
    """A model that can be named in a request: OpenAI's four fields, and who serves it."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str
    model_type: ModelKind
    provider_id: str
    provider_model_id: str
    metadata: dict[str, Scalar] = {}


class ModelList(Struct, kw_only=True):
    """All models, in the order of their ids."""

    object: Literal["list"] = "list"
    data: list[Model]


class ModelDeleted(Struct, kw_only=True):
    """A registration that is gone."""

    id: str
    object: Literal["model"] = "model"
    deleted: bool = True


class Registration(Struct, kw_only=True):
    """A name given to a provider's model, by the run file or by a caller."""

    model_id: Annotated[str, Meta(min_length=1, max_length=256, pattern=whole(r"[^\x00-\x1f\x7f]+"))]
    provider_id: str | None = None
    provider_model_id: str | None = None
    model_type: ModelKind = "llm"
    metadata: dict[str, Scalar] = {}


class NewRegistration(Registration, kw_only=True, forbid_unknown_fields=True):
    """A name that a caller gives to a provider's model: Llama Stack's body."""

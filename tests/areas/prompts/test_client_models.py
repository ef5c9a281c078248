"""The client's models say what the server's types say."""

import msgspec
import pytest
from msgspec.inspect import StructType, type_info
from openai import BaseModel

from stackwright.areas.prompts import diff, portable, types
from stackwright.client import models

ANSWERS = [
    (models.Prompt, types.Prompt),
    (models.PromptVersion, types.PromptVersion),
    (models.PromptDeleted, types.PromptDeleted),
    (models.PromptEvent, types.Event),
    (models.RenderedPrompt, types.RenderedPrompt),
    (models.PromptDiff, diff.Diff),
    (models.TextChange, diff.TextChange),
    (models.ValueChange, diff.ValueChange),
    (models.VariableChange, diff.VariableChange),
    (models.PromptImported, portable.Imported),
]
REQUESTS = [
    (models.NewPrompt, types.NewPrompt),
    (models.NewVersion, types.NewVersion),
    (models.PromptChanges, types.PromptChanges),
    (models.Which, types.ListQuery),
]


def fields(struct: type[msgspec.Struct]) -> set[str]:
    info = type_info(struct)
    assert isinstance(info, StructType)
    return {field.encode_name for field in info.fields}


@pytest.mark.parametrize(("model", "struct"), ANSWERS)
def test_what_the_server_answers_has_a_type_in_the_client(model: type[BaseModel], struct: type[msgspec.Struct]) -> None:
    # `object` is the wire's; `prompt_id` beside `id` is for Llama Stack's clients.
    assert fields(struct) - set(model.model_fields) <= {"object", "prompt_id"}
    assert set(model.model_fields) <= fields(struct)


@pytest.mark.parametrize(("given", "struct"), REQUESTS)
def test_what_the_server_takes_the_client_can_give(given: type, struct: type[msgspec.Struct]) -> None:
    assert set(given.__annotations__) == fields(struct)

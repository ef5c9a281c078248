"""What a body has within it is acted on, passed on whole, or refused: nothing is dropped without a word."""

from collections.abc import Iterator

from msgspec import inspect
from msgspec.inspect import StructType, Type

from stackwright.app.routing import APIS

WHOLE = {
    *("ChatRequest", "ContentPart", "Function", "Message", "ResponseFormat", "StreamOptions", "Tool", "ToolCall"),
    *("CompletionRequest", "EmbeddingRequest", "ModerationRequest", "PromptCacheOptions", "ResponseRequest"),
}
"""Those that the model's vendor gets as they came, with whatever only it knows."""
NOBODYS = {
    *("WebSearchTool", "WebSearchDatedTool", "WebSearchPreviewTool", "WebSearchPreviewDatedTool"),
    *("CodeInterpreterTool", "ComputerTool", "ComputerUsePreviewTool", "ImageGenerationTool"),
    *("ProgrammaticTool", "ToolSearchTool"),
}
"""Those that are refused or dropped as one, whatever they hold."""


def test_an_object_in_a_body_is_strict_or_nobody_here_acts_on_it() -> None:
    apis = [api for group in APIS.values() for api in group]
    operations = [operation for api in apis for operation in api.operations if operation.body]
    found = {struct.cls: struct for operation in operations for struct in _structs(inspect.type_info(operation.body))}
    lenient = sorted(kind.__name__ for kind, struct in found.items() if not struct.forbid_unknown_fields)
    assert len(operations) > 15
    assert lenient == sorted(WHOLE | NOBODYS)


def _structs(type: Type) -> Iterator[StructType]:
    match type:
        case StructType():
            yield type
            for field in type.fields:
                yield from _structs(field.type)
        case inspect.UnionType():
            for one in type.types:
                yield from _structs(one)
        case inspect.Metadata():
            yield from _structs(type.type)
        case inspect.CollectionType():
            yield from _structs(type.item_type)
        case inspect.DictType():
            yield from _structs(type.value_type)

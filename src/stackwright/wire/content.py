"""The parts that messages and tool outputs are made of."""

from typing import Any, Literal

from msgspec import Struct, field

ImageDetail = Literal["low", "high", "auto", "original"]
FileDetail = Literal["auto", "low", "high"]


def shown(value: Any) -> Any:
    """Declare a default that is spelled out in JSON. Lists and dicts are copied; other defaults are left out there."""
    copied = type(value) if isinstance(value, list | dict) else None
    # msgspec leaves out what equals `list()` or a plain default; it does not look into a function.
    return field(default_factory=(lambda: copied()) if copied else (lambda: value))


class _Tagged(Struct, omit_defaults=True, tag_field="type"):
    """Anything that says its `type`."""


class FileCitation(_Tagged, kw_only=True, tag="file_citation"):
    """A file that the text draws on."""

    file_id: str
    index: int
    filename: str


class UrlCitation(_Tagged, kw_only=True, tag="url_citation"):
    """A page that a stretch of the text draws on."""

    url: str
    start_index: int
    end_index: int
    title: str


class ContainerFileCitation(_Tagged, kw_only=True, tag="container_file_citation"):
    """A file in a container that a stretch of the text draws on."""

    container_id: str
    file_id: str
    start_index: int
    end_index: int
    filename: str


class FilePath(_Tagged, kw_only=True, tag="file_path"):
    """A file that was made on the way."""

    file_id: str
    index: int


Annotation = FileCitation | UrlCitation | ContainerFileCitation | FilePath


class InputText(_Tagged, kw_only=True, tag="input_text"):
    """Text for the model."""

    text: str


class InputImage(_Tagged, kw_only=True, tag="input_image"):
    """An image for the model, by URL (`data:` too) or by the id of a file."""

    image_url: str | None = None
    file_id: str | None = None
    detail: ImageDetail = shown("auto")

    def __post_init__(self) -> None:
        if self.image_url is None and self.file_id is None:
            raise ValueError("an input_image needs 'image_url' or 'file_id'")


class InputFile(_Tagged, kw_only=True, tag="input_file"):
    """A file for the model: by id, by URL, or its data as a `data:` URL."""

    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None
    filename: str | None = None
    detail: FileDetail | None = None

    def __post_init__(self) -> None:
        if self.file_id is None and self.file_url is None and self.file_data is None:
            raise ValueError("an input_file needs 'file_id', 'file_url' or 'file_data'")


class OutputText(_Tagged, kw_only=True, tag="output_text"):
    """Text that a model wrote."""

    text: str
    annotations: list[Annotation] = shown([])
    logprobs: list[dict[str, Any]] = shown([])


class Refusal(_Tagged, kw_only=True, tag="refusal"):
    """What a model wrote instead of an answer."""

    refusal: str


class SummaryText(_Tagged, kw_only=True, tag="summary_text"):
    """A summary of what a model thought."""

    text: str


class ReasoningText(_Tagged, kw_only=True, tag="reasoning_text"):
    """What a model thought."""

    text: str


InputPart = InputText | InputImage | InputFile
MessagePart = InputText | InputImage | InputFile | OutputText | Refusal

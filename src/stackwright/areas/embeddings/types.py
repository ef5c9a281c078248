"""The body of `POST /v1/embeddings`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from stackwright.errors import InvalidRequest

MAX_INPUTS = 2048


class EmbeddingRequest(Struct, kw_only=True):
    """Texts, or arrays of token ids, to place in space."""

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None

    def check(self) -> None:
        """Refuse what a type cannot: no input, too many, or several kinds at once."""
        if not isinstance(self.input, list):
            return _not_empty(self.input, "input")
        _not_empty(self.input, "input")
        kinds = {type(one) for one in self.input}
        if len(kinds) > 1:
            raise InvalidRequest("Invalid 'input': strings and token ids cannot be mixed.", param="input")
        if kinds != {int} and len(self.input) > MAX_INPUTS:
            raise InvalidRequest(
                f"Invalid 'input': {len(self.input)} inputs in one request, the most is {MAX_INPUTS}. Send several.",
                param="input",
                code="array_above_max_length",
            )
        for index, one in enumerate(self.input):
            if not isinstance(one, int):
                _not_empty(one, f"input[{index}]")
        return None


def _not_empty(value: str | list[int] | list[str | int | list[int]], param: str) -> None:
    if not value:
        raise InvalidRequest(f"Invalid '{param}': it is empty, there is nothing to embed.", param=param)

"""Reading one mapping of the file into its class."""

from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.words import complain, strings_wanted

M = TypeVar("M", bound=BaseModel)


def validate(cls: type[M], node: Node, report: Report) -> M | None:
    """Return the mapping as a `cls`; None, and complaints made, when it is none.

    A literal such as `123456` or `true` stays the text it is where the schema wants a string.
    """
    # A class that says nothing about unknown keys would swallow them.
    extra: Literal["forbid"] | None = None if "extra" in cls.model_config else "forbid"
    while True:
        try:
            return cls.model_validate(node.data(), extra=extra)
        except ValidationError as error:
            literals = strings_wanted(error, node)
            if not literals:
                complain(error, cls, node, report)
                return None
            for literal in literals:
                literal.value = literal.text

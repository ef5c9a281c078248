"""The schema's errors in the words of somebody who edits a YAML file."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.secret import Substituted, known_secrets, mask_url, redacted
from stackwright.config.section import keys
from stackwright.config.storage import REFERENCES

_KINDS = {
    "int": "must be an integer",
    "float": "must be a number",
    "finite": "must be a finite number",
    "bool": "must be true or false",
    "string_type": "must be a string",
    "dict_type": "must be a mapping (key: value)",
    "model": "must be a mapping (key: value)",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must not be empty",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "must be one of {expected_tags}",
}
_MOST = 12
"""Names that a complaint lists."""
_LITERALS = re.compile(r"'([^']*)'")


def complain(error: ValidationError, cls: type[BaseModel], root: Node, report: Report) -> None:
    """Report each of the schema's errors at its place under `root`, which `cls` was to read."""
    for detail in error.errors(include_url=False, include_input=False):
        if not _of_another_choice(detail["loc"], root):
            _complain(detail, cls, root, report)


def _complain(detail: ErrorDetails, cls: type[BaseModel], root: Node, report: Report) -> None:
    kind, loc, context = detail["type"], detail["loc"], detail.get("ctx", {})
    if kind == "value_error" and _is_about_a_faulty(detail["msg"], root.nearest(loc)):
        return
    if kind in ("missing", "union_tag_not_found"):
        field = str(loc[-1]) if kind == "missing" else str(context["discriminator"]).strip("'")
        _missing(field, cls, root.nearest(loc[:-1] if kind == "missing" else loc), report)
        return
    node = root.nearest(loc)
    if kind == "extra_forbidden":
        read = keys(_reader(root.nearest(loc[:-1]), cls))
        report.key(node, f"'{loc[-1]}' is not a key here. {suggest(str(loc[-1]), read)}")
    elif loc[-1:] == ("[key]",):
        report.key(node, f"'{loc[-2]}' is not known here. {suggest(str(loc[-2]), _LITERALS.findall(detail['msg']))}")
    elif kind == "union_tag_invalid":
        tag = node.child(str(context["discriminator"]).strip("'")) or node
        report.value(tag, of_known(tag, "type here", _LITERALS.findall(str(context["expected_tags"]))))
    elif kind in ("literal_error", "enum") and (known := _LITERALS.findall(str(context["expected"]))):
        report.value(node, of_known(node, "known value here", known))
    else:
        report.value(node, _sentence(kind, context, detail["msg"], node, root))


def _is_about_a_faulty(message: str, node: Node) -> bool:
    """True when a check found fault with what stands there for a substitution that could not be made."""
    first = message.removeprefix("Value error, ").partition(" ")[0]
    return (child := node.child(first)) is not None and child.faulty


def _of_another_choice(loc: Sequence[int | str], root: Node) -> bool:
    """True when the error is of a class of a union that was not the one meant."""
    node = root
    for step in loc:
        child = node.child(step)
        if child is None and any(step == cls.__name__ for cls in node.readers):
            meant = node.reader()
            if meant is not None and step != meant.__name__:
                return True
        node = child or node
    return False


def _sentence(kind: str, context: Mapping[str, Any], message: str, node: Node, root: Node) -> str:
    family = next((k for k in (kind, kind.partition("_")[0]) if k in _KINDS), None)
    if family is None:
        return scrub(message.removeprefix("Value error, ").removeprefix("Assertion failed, "), root).rstrip(".") + "."
    wanted = _KINDS[family].format(**context)
    if isinstance(node.value, Substituted):
        return f"What this substitution gives {wanted}."
    shown = quote(node)
    return f"{shown} {wanted.replace('must be', 'is not right: it must be', 1)}." if shown else f"This {wanted}."


def _missing(field: str, cls: type[BaseModel], node: Node, report: Report) -> None:
    info = keys(_reader(node, cls)).get(field)
    reference = info is not None and isinstance(info.annotation, type) and issubclass(info.annotation, REFERENCES)
    if node.old and (reference or field == "storage"):
        return  # It is missing because the old layout has something else, which is complained about.
    hint = f" {info.description}" if info and info.description else ""
    report.missing(node, field, f"'{field}' is missing.{hint}")


def _reader(node: Node, default: type[BaseModel]) -> type[BaseModel]:
    return node.reader() or default


def quote(node: Node) -> str | None:
    """Return a literal as it may be shown. None for what was substituted, may be secret, or is no scalar."""
    if node.items is not None or node.secret or isinstance(node.value, Substituted) or node.value is None:
        return None
    return repr(mask_url(node.text or str(node.value)))


def of_known(node: Node, what: str, known: Iterable[str], *, show: Callable[[str], str] = str) -> str:
    """Say that a value is none of the known ones, which is the nearest, and which there are."""
    shown = quote(node) or ("What this substitution gives" if isinstance(node.value, Substituted) else "This")
    return f"{shown} is not a {what}. {suggest(node.value if quote(node) else None, known, show=show)}"


def suggest(name: object, known: Iterable[str], *, show: Callable[[str], str] = str, list_as: str = "Known") -> str:
    """Return `Did you mean 'x'? Known: x, y.`, as far as there is something to say."""
    from difflib import get_close_matches

    names = list(known)
    near = get_close_matches(name, names, 1, 0.6) if isinstance(name, str) else []
    meant = f"Did you mean '{near[0]}'? " if near else ""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{meant}{list_as}: {', '.join(map(show, names[:_MOST])) or 'none'}{more}."


def scrub(message: str, root: Node) -> str:
    """Mask in a text that a provider's own check wrote whatever could be a secret."""
    hidden = set(known_secrets())
    for node in root.walk():
        if node.items is None and (node.secret or isinstance(node.value, Substituted)) and node.value is not None:
            hidden.add(str(node.value))
    return mask_url(redacted(message, hidden))


def strings_wanted(error: ValidationError, root: Node) -> Sequence[Node]:
    """Return the literals that the schema wanted as strings and that YAML took for something else."""
    wanted = [root.nearest(d["loc"]) for d in error.errors(include_input=False) if d["type"] == "string_type"]
    return [n for n in wanted if n.items is None and n.value is not None and not isinstance(n.value, str)]

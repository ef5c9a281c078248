"""The `providers:` section: each entry's config is read by the class of its type."""

import builtins
from collections.abc import Mapping
from itertools import compress
from typing import Protocol

from pydantic import BaseModel

from stackwright.config import references
from stackwright.config.complaint import Report
from stackwright.config.env import Substitution
from stackwright.config.locate import Node
from stackwright.config.secret import Substituted, Unresolved
from stackwright.config.validate import validate
from stackwright.config.words import of_known, quote
from stackwright.errors import StackwrightError


class ProviderType(Protocol):
    """What the run file needs to know of a provider type."""

    @property
    def type(self) -> str:
        """Its name, such as `remote::openai`."""
        ...

    @property
    def api(self) -> str:
        """The section of `providers:` it belongs in."""
        ...

    @property
    def config(self) -> builtins.type[BaseModel]:
        """The class that reads its settings."""
        ...


Types = Mapping[str, ProviderType]


def drop_switched_off(root: Node, substitute: Substitution, types: Types, report: Report) -> bool:
    """Take out the providers and models whose `provider_id` substitutes to nothing. True when there were any.

    Of what is taken out nothing is read but the type: one of ours misspelt would be found on the day it is switched on.
    Another one may be of a package that is not installed here.
    """
    lists = [*_sections(root).values(), root.find("registered_resources", "models"), root.child("models")]
    dropped: list[Node] = []
    for node in lists:
        if node is not None and isinstance(node.items, list):
            off = [_switched_off(entry, substitute) for entry in node.items]
            dropped += compress(node.items, off)
            node.items = [entry for entry, gone in zip(node.items, off, strict=True) if not gone]
    for entry in dropped:
        _check_type(entry, types, report)
    return bool(dropped)


def _check_type(entry: Node, types: Types, report: Report) -> None:
    from difflib import get_close_matches

    node = entry.child("provider_type")
    if node is None or not isinstance(node.value, str):
        return
    if node.value not in set(types) and get_close_matches(node.value, types, 1, 0.9):
        report.value(node, of_known(node, "provider type", types))


def _switched_off(entry: Node, substitute: Substitution) -> bool:
    name = entry.child("provider_id")
    if name is None or not isinstance(name.value, str):
        return False
    try:
        value = substitute(name.value)
    except Unresolved:
        return False
    return isinstance(value, Substituted) and not value.strip()


def _sections(root: Node) -> dict[str, Node]:
    providers = root.child("providers")
    return providers.fields() if providers else {}


def entries(root: Node) -> list[tuple[str, Node]]:
    """Return the entries of all sections, each with the name of its section."""
    return [(api, entry) for api, section in _sections(root).items() for entry in section.entries()]


def type_named(types: Types, name: str) -> ProviderType | None:
    """Return a type, or None when there is no such type or it cannot be loaded."""
    try:
        return types.get(name)
    except (StackwrightError, ImportError):
        return None


def settle(root: Node, types: Types, backends: Mapping[str, str], report: Report) -> None:
    """Read the config of every entry, and complain about types and ids that cannot be."""
    for api, entry in entries(root):
        if entry.items is None:
            continue
        config = entry.child("config")
        if config is None or (config.items is None and config.value is None):
            config = entry.add("config", {})
        if provider := _type_of(entry, api, types, report):
            references.fill(config, provider.config, backends, report)
            model = validate(provider.config, config, report)
            if model is not None:
                references.check_defaults(model, config, backends, report)
            # What cannot be read has been complained about; the schema around it need not look again.
            config.finished = model if model is not None else {}
    _ids_are_unique(root, report)
    for _, entry in [one for one in entries(root) if one[0] == "files"][1:]:
        report.key(entry, "Every file goes to the first provider of files. Take this one out.")


def _type_of(entry: Node, api: str, types: Types, report: Report) -> ProviderType | None:
    node = entry.child("provider_type")
    if node is None or node.faulty or not isinstance(node.value, str):
        return None
    try:
        provider = types.get(node.value)
    except (StackwrightError, ImportError) as error:
        report.value(node, f"{quote(node) or 'This type'} cannot be loaded: {type(error).__name__}: {error}")
        return None
    if provider is None:
        report.value(node, of_known(node, "provider type", types))
    elif provider.api != api:
        report.value(node, f"{quote(node) or 'This type'} belongs under providers.{provider.api}.")
        return None
    return provider


def _ids_are_unique(root: Node, report: Report) -> None:
    seen: dict[tuple[str, str], Node] = {}
    for api, entry in entries(root):
        name = entry.child("provider_id")
        if name is None or name.faulty or not isinstance(name.value, str):
            continue
        first = seen.setdefault((api, name.value), name)
        if first is not name:
            shown = quote(name) or "This id"
            report.value(name, f"{shown} is taken by {first.path} (line {first.line}). Choose another.")


def check_models(root: Node, switched_off: bool, report: Report) -> None:
    """Report models of unknown providers, and two models under one name."""
    ids = [node for api, entry in entries(root) if api == "inference" and (node := entry.child("provider_id"))]
    names = [str(node.value) for node in ids if not (isinstance(node.value, Substituted) and node.value.foreign)]
    seen: dict[tuple[str, str], Node] = {}
    for model in _models(root):
        name, provider = model.child("model_id"), model.child("provider_id")
        if provider is None or provider.faulty or not isinstance(provider.value, str):
            continue
        if provider.value not in {node.value for node in ids}:
            hint = " A provider may be switched off; write the same ${...} as its provider_id." if switched_off else ""
            report.value(provider, of_known(provider, "provider of inference", names) + hint)
        elif name is not None and isinstance(name.value, str) and not name.faulty:
            first = seen.setdefault((provider.value, name.value), name)
            if first is not name:
                report.value(name, f"This provider has a model of this name already (line {first.line}).")


def _models(root: Node) -> list[Node]:
    places = (root.find("registered_resources", "models"), root.child("models"))
    return [entry for place in places if place for entry in place.entries()]

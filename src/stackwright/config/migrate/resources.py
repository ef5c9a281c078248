"""What exists from the start: from the top of the file to `registered_resources`."""

import re
from dataclasses import dataclass, field
from typing import Any, get_args

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from stackwright.config.migrate.document import Document
from stackwright.config.migrate.names import RESOURCES, switched_off_today
from stackwright.config.migrate.report import Report
from stackwright.config.migrate.slots import entries
from stackwright.config.runfile import Connector, ModelKind, RegisteredModel, RegisteredResources
from stackwright.config.section import Section, keys

_SWITCHED = re.compile(r"\$\{env\.\w+:\+[^${}]+\}")
"""An id that a provider has when a variable is set."""


@dataclass
class Resources:
    """Moves the kinds that we have, and drops the others."""

    document: Document
    report: Report
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def move(self) -> None:
        """Change the tree."""
        root, ours = self.document.root, keys(RegisteredResources)
        for kind in [key for key in root if key in RESOURCES and isinstance(root[key], (CommentedSeq, type(None)))]:
            if kind in ours and root[kind]:
                self._to_registered(kind)
            else:
                self._drop(root, kind, kind)
        registered = root.get("registered_resources")
        if not isinstance(registered, CommentedMap):
            return
        for kind in [key for key in registered if key not in ours]:
            self._drop(registered, kind, f"registered_resources.{kind}")
        if isinstance(models := registered.get("models"), CommentedSeq) and self.report.old:
            self._models(models)
        if isinstance(connectors := registered.get("connectors"), CommentedSeq) and self.report.old:
            for connector in [connector for connector in connectors if isinstance(connector, CommentedMap)]:
                path = f"registered_resources.connectors[{connector.get('connector_id')}]"
                self._strip(connector, Connector, path, "Connectors")

    def _to_registered(self, kind: str) -> None:
        root = self.document.root
        registered = root.get("registered_resources")
        if not isinstance(registered, CommentedMap):
            registered = CommentedMap()
            self.document.before[id(root), "registered_resources"] = self.document.gap(root, kind)
            root.insert(list(root).index(kind), "registered_resources", registered)
        if isinstance(registered.get(kind), CommentedSeq):
            registered[kind].extend(root.pop(kind))
        else:
            registered[kind] = root.pop(kind)
            self.document.carry(root, kind, registered, kind)
        self.report.add("moved", kind, f"to registered_resources.{kind}")

    def _drop(self, container: CommentedMap, kind: str, path: str) -> None:
        words = f"There is no such kind: {len(container[kind])} dropped." if container[kind] else "It was empty."
        if kind == "tool_groups" and container[kind]:
            words += " MCP servers are called by their URL, or by a name under registered_resources.connectors."
        del container[kind]
        self.report.add("dropped", path, words, old=kind in RESOURCES)

    def _models(self, models: CommentedSeq) -> None:
        ids = [str(e.get("provider_id")) for api, e in entries(self.document.root) if api == "inference"]
        for model in [model for model in models if isinstance(model, CommentedMap)]:
            path = f"registered_resources.models[{model.get('model_id')}]"
            self._name_provider(model, ids, path)
            wrong = self._wrong(model, ids)
            if wrong:
                del models[next(at for at, other in enumerate(models) if other is model)]
                self.report.add("dropped", path, wrong, old=False)
                continue
            self._strip(model, RegisteredModel, path, "Models")
            if isinstance(metadata := model.get("metadata"), CommentedMap):
                self._scalars(metadata, f"{path}.metadata")

    def _strip(self, entry: CommentedMap, cls: type[Section], path: str, what: str) -> None:
        for key in [key for key in entry if key not in keys(cls)]:
            del entry[key]
            self.report.add("dropped", f"{path}.{key}", f"{what} have no such field.", old=False)

    def _name_provider(self, model: CommentedMap, ids: list[str], path: str) -> None:
        """Have the model say of its provider what that says of itself: both are switched off together."""
        old = str(model.get("provider_id"))
        new = switched_off_today(old)
        if new not in ids:
            new = next((one for one in ids if _SWITCHED.fullmatch(one) and one.endswith(f":+{old}}}")), old)
        if new != old:
            model["provider_id"] = new
            self.report.add("renamed", f"{path}.provider_id", f"to {new}, as its provider says")

    def _wrong(self, model: CommentedMap, ids: list[str]) -> str:
        """Return why a model cannot be registered; empty when it can."""
        if model.get("provider_id") is None and len(ids) == 1:
            model["provider_id"] = ids[0]
        provider, kind = model.get("provider_id"), model.get("model_type")
        if str(provider) not in ids:
            return f"Its provider {provider} is not among the inference providers."
        if kind is not None and "${" not in str(kind) and kind not in get_args(ModelKind):
            return f"There are no models of type {kind}."
        name = (str(provider), str(model.get("model_id")))
        if name in self._seen:
            return "It is registered twice; the first is kept."
        self._seen.add(name)
        return ""

    def _scalars(self, metadata: CommentedMap, path: str) -> None:
        for key, value in list(metadata.items()):
            if _is_none_or_nested(value):
                del metadata[key]
                self.report.add("dropped", f"{path}.{key}", "Metadata are strings, numbers, true and false.", old=False)


def _is_none_or_nested(value: Any) -> bool:
    return not isinstance(value, (str, int, float, bool))

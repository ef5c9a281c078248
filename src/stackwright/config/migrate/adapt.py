"""What is not storage: APIs, provider types, settings and resources under the names that they have with us."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

from stackwright.config.migrate.document import Document, flow, rename
from stackwright.config.migrate.names import (
    ALWAYS_SERVED,
    APIS,
    BUILTIN,
    INSTEAD,
    SETTINGS,
    TYPES,
    VERSIONS,
    place_in_provider,
    switched_off_today,
    syntax_today,
)
from stackwright.config.migrate.report import Report
from stackwright.config.migrate.resources import Resources
from stackwright.config.migrate.sections import drop_quota, prune, prune_root
from stackwright.config.migrate.slots import Places, default_of, entries, references_of
from stackwright.config.providers import Types, type_named
from stackwright.config.runfile import APIS as OUR_APIS


@dataclass
class Adapter:
    """Adapts one file to the types that are there."""

    document: Document
    types: Types
    report: Report
    paths: dict[int, str]

    def before_storage(self) -> None:
        """Do what decides which providers there will be."""
        self._syntax(self.document.root, "")
        self._sections()
        drop_quota(self.document.root, self.report)
        for api, entry in list(entries(self.document.root)):
            self._type(api, entry)
        self._served()

    def after_storage(self) -> None:
        """Do what needs the new storage, or only goes with it."""
        root = self.document.root
        for api, entry in entries(root):
            self._settings(api, entry)
        Resources(self.document, self.report).move()
        if self.report.old:
            for api, entry in entries(root):
                self._complete(api, entry)
        prune_root(self.document, self.report)

    def _syntax(self, value: Any, path: str) -> None:
        for key, child in _items(value):
            here = f"{path}[{key}]" if isinstance(value, CommentedSeq) else f"{path}.{key}".lstrip(".")
            if isinstance(child, str) and (today := syntax_today(child)) != child:
                value[key] = type(child)(today)
                self._stay(value, key, child)
                self.report.add("renamed", here, "${env.X:default} and ${env.X+value} are written with := and :+")
            self._syntax(child, here)

    def _stay(self, value: Any, key: Any, old: Any) -> None:
        if isinstance(value, CommentedSeq):
            self.document.carry(value, id(old), value, id(value[key]))

    def _sections(self) -> None:
        providers = self.document.root.get("providers")
        if not isinstance(providers, CommentedMap):
            return
        for api in [api for api in providers if api in APIS]:
            new = APIS[api]
            if isinstance(providers.get(new), CommentedSeq):
                more = providers.pop(api)
                providers[new].extend(more if isinstance(more, CommentedSeq) else ())
            else:
                rename(providers, api, new)
                self.document.carry(providers, api, providers, new)
            self.report.add("renamed", f"providers.{api}", f"to providers.{new}")
        for api in [api for api in providers if not _is_ours(api, OUR_APIS)]:
            section = providers.pop(api)
            section = section if isinstance(section, CommentedSeq) else ()
            names = ", ".join(str(entry.get("provider_id")) for entry in section if isinstance(entry, CommentedMap))
            gone = f"With it go: {names}." if names else "It was empty."
            self.report.add("dropped", f"providers.{api}", f"There is no API of this name. {gone}")

    def _type(self, api: str, entry: CommentedMap) -> None:
        old, path = str(entry.get("provider_type")), self.paths[id(entry)]
        new = TYPES.get(old, old).removesuffix("-openai-compat")
        named = entry.get("provider_id")
        if named == "__disabled__":
            self._remove(api, entry)
            self.report.add("dropped", path, "It is switched off.")
            return
        if isinstance(named, str) and (today := switched_off_today(named)) != named:
            entry["provider_id"] = type(named)(today)
            self.report.add("renamed", f"{path}.provider_id", "A provider is switched off by having no id.")
        if api == "responses" and old in BUILTIN and not self._known(old, api):
            self._built_in(entry, path)
        elif api in OUR_APIS and not self._known(new, api) and "${" not in old and not _is_slip(old, self.types):
            instead = f" Perhaps {INSTEAD[old]}." if old in INSTEAD else ""
            kept = " What it kept stays where it is." if entry.get("config") else ""
            self._remove(api, entry)
            self.report.add("dropped", path, f"There is no provider type {old}.{instead}{kept}")
        elif new != old:
            entry["provider_type"] = new
            self.report.add("renamed", f"{path}.provider_type", f"{old} is {new}")

    def _known(self, type: str, api: str) -> bool:
        # A type that is there and cannot be loaded is known: that complaint is the loader's.
        provider = type_named(self.types, type)
        return type in self.types if provider is None else provider.api == api

    def _remove(self, api: str, entry: CommentedMap) -> None:
        providers = self.document.root["providers"]
        section = providers[api]
        del section[next(at for at, other in enumerate(section) if other is entry)]
        if not section:
            del providers[api]

    def _built_in(self, entry: CommentedMap, path: str) -> None:
        """Responses are a part of the server: what kept them becomes its store."""
        root, config = self.document.root, entry.get("config")
        config = config if isinstance(config, CommentedMap) else CommentedMap()
        nested = config.get("persistence")
        for holder, key, where in (
            (config, "responses_store", "responses_store"),
            (nested, "responses", "persistence.responses"),
        ):
            if (
                isinstance(holder, CommentedMap)
                and isinstance(holder.get(key), CommentedMap)
                and "responses_store" not in root
            ):
                root["responses_store"] = holder[key]
                self.document.carry(holder, key, root, "responses_store")
                self.paths[id(holder[key])] = f"{path}.config.{where}"
        for where in ("persistence_store", "persistence.agent_state"):
            first, _, second = where.partition(".")
            if isinstance(config.get(first), CommentedMap) and (not second or second in config[first]):
                self.report.add(
                    "dropped", f"{path}.config.{where}", "No state of agents is kept; a turn is in its response."
                )
        self._remove("responses", entry)
        self.report.add("dropped", path, f"{entry['provider_type']} is built in, and needs no provider.")

    def _served(self) -> None:
        apis = self.document.root.get("apis")
        if not isinstance(apis, CommentedSeq) or all(
            not isinstance(api, str) or _is_ours(api, OUR_APIS) for api in apis
        ):
            return
        named = [api for api in apis if isinstance(api, str)]
        wanted = [APIS.get(api, api) for api in named]
        for api in [api for api in named if not _is_ours(APIS.get(api, api), OUR_APIS)]:
            self.report.add("dropped", f"apis.{api}", "There is no API of this name.")
        for api in [api for api in named if api in APIS]:
            self.report.add("renamed", f"apis.{api}", f"to {APIS[api]}")
        kept = dict.fromkeys(api for api in (*wanted, *ALWAYS_SERVED) if _is_ours(api, OUR_APIS))
        added = [api for api in kept if api not in wanted]
        if added:
            self.report.add("added", "apis", f"{', '.join(added)}: served without being named, before.")
        apis[:] = list(kept)

    def _settings(self, api: str, entry: CommentedMap) -> None:
        name, path, config = str(entry.get("provider_type")), f"{self.paths[id(entry)]}.config", entry.get("config")
        provider = type_named(self.types, name)
        if provider is None or not isinstance(config, CommentedMap):
            return
        for old in [key for key in config if key not in provider.config.model_fields]:
            new = SETTINGS.get(old, "")
            if new not in provider.config.model_fields:
                continue
            if new in config:
                self.report.add("dropped", f"{path}.{old}", f"{new} says it already.")
                del config[old]
                continue
            rename(config, old, new)
            self.document.carry(config, old, config, new)
            self.report.add("renamed", f"{path}.{old}", f"to {new}")
            if old == "url":
                self._version(config, new, name, path)
        prune(config, provider.config, path, f"a setting of {name}", self.report)

    def _version(self, config: CommentedMap, key: str, type: str, path: str) -> None:
        version, address = VERSIONS.get(type), config[key]
        if version and isinstance(address, str) and not address.rstrip("/").endswith("/v1"):
            config[key] = address.__class__(address.rstrip("/") + version)
            self.report.add("added", f"{path}.{key}", f"{version}: this is the whole address now.")

    def _complete(self, api: str, entry: CommentedMap) -> None:
        """Give a provider the references that its type cannot do without."""
        name, path = str(entry.get("provider_type")), f"{self.paths[id(entry)]}.config"
        provider = type_named(self.types, name)
        if provider is None:
            return
        for field, family in references_of(provider.config).items():
            if not isinstance(entry.get("config"), CommentedMap):
                entry["config"] = CommentedMap()
            if entry["config"].get(field) is None and provider.config.model_fields[field].is_required():
                place = place_in_provider(api, name, "sqlstore" if family == "sql" else field)
                backend = default_of(self.document.root["storage"]["backends"], family)
                reference = Places(self.document.root).reference(backend, family, place.name)
                entry["config"][field] = flow(**reference)
                self.report.add("added", f"{path}.{field}", "The type needs a place for it.", old=False)


def _is_ours(name: object, ours: Collection[str]) -> bool:
    return name in ours or _is_slip(name, ours)


def _is_slip(name: object, ours: Collection[str]) -> bool:
    """A name that is nearly one of ours is misspelt, and not Llama Stack's: that complaint is the loader's."""
    return isinstance(name, str) and name not in ours and bool(get_close_matches(name, ours, 1, 0.9))


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, CommentedMap):
        yield from list(value.items())
    elif isinstance(value, CommentedSeq):
        yield from list(enumerate(value))

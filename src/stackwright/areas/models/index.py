"""From a model's name to its target: pure look-ups over what is known."""

from bisect import bisect
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import NamedTuple, TypeVar

from stackwright.areas.models.types import Model
from stackwright.errors import InvalidRequest, UnknownModel
from stackwright.ports.inference import BodyPort, CountPort, Inference, TextPort

P = TypeVar("P")

_LONGEST_NAME = 200
"""Characters of an unknown name that are compared with those that are known."""
_COMPARED = 200
"""Known names that it is compared with: those next to it in their order. A comparison takes 40 µs."""


class Served(NamedTuple):
    """An opened inference provider, and whether its offers are all it serves."""

    provider_id: str
    inference: Inference
    closed: bool


class Target(NamedTuple):
    """Who serves a model, and under which name."""

    provider_id: str
    inference: Inference
    name: str

    @property
    def chat(self) -> TextPort:
        return self._have(self.inference.chat, "chat completions")

    @property
    def completions(self) -> TextPort:
        return self._have(self.inference.completions, "text completions")

    @property
    def embeddings(self) -> BodyPort:
        return self._have(self.inference.embeddings, "embeddings")

    @property
    def moderations(self) -> BodyPort:
        return self._have(self.inference.moderations, "moderations")

    @property
    def counting(self) -> CountPort:
        if self.inference.counting is None:
            raise InvalidRequest(
                f"Nobody can count the tokens of {self.name!r} without running it: its provider {self.provider_id!r} "
                "has no counter. OpenAI, vLLM, llama-server and the embedded llama.cpp have one. The usage of an "
                "answer says what it took.",
                param="model",
                code="unsupported_by_model",
            )
        return self.inference.counting

    def _have(self, port: P | None, what: str) -> P:
        if port is None:
            raise InvalidRequest(
                f"The model {self.name!r} cannot do this: its provider {self.provider_id!r} has no {what}.",
                param="model",
                code="unsupported_by_model",
            )
        return port


class Index:
    """Every name a model answers to: its id, and its bare name where only one provider has it."""

    def __init__(self, providers: Mapping[str, Served], models: Iterable[Model], silent: Collection[str] = ()) -> None:
        """`models` come in rising priority: a later one takes the id of an earlier one. `silent` providers have
        not said yet what they offer."""
        self._providers = providers
        self._silent = silent
        # What was registered for a provider that only other servers have is no model here, and hides none.
        self.models = {model.id: model for model in models if model.provider_id in providers}
        self._targets: dict[str, Target] = {}
        self._ambiguous: dict[str, list[str]] = {}
        for model in self.models.values():
            self._add(model)

    def _add(self, model: Model) -> None:
        served = self._providers[model.provider_id]
        target = Target(served.provider_id, served.inference, model.provider_model_id)
        self._targets[model.id] = target
        bare = model.provider_model_id
        known = self._targets.get(bare)
        if known is None:
            self._targets[bare] = target
        elif known != target and bare not in self.models:
            self._ambiguous.setdefault(bare, [f"{known.provider_id}/{bare}"]).append(f"{model.provider_id}/{bare}")

    def find(self, name: str) -> Target | None:
        """Return who serves `name`, if anybody does. `InvalidRequest` when several do."""
        if name in self._ambiguous:
            raise InvalidRequest(
                f"The model {name!r} is served by several providers; say which: {', '.join(self._ambiguous[name])}.",
                param="model",
                code="ambiguous_model",
            )
        return self._targets.get(name) or self._forwarded(name)

    def _forwarded(self, name: str) -> Target | None:
        """A vendor's list may be late or incomplete: with its provider named, the vendor itself decides."""
        provider_id, slash, rest = name.partition("/")
        served = self._providers.get(provider_id)
        if served is None or not (slash and rest) or served.closed:
            return None
        return Target(provider_id, served.inference, rest)

    @cached_property
    def ids(self) -> Sequence[str]:
        """The ids of all models, in their order."""
        return sorted(self.models)

    @cached_property
    def _names(self) -> Sequence[str]:
        return sorted({*self.models, *self._targets})

    def _near(self, name: str) -> list[str]:
        first = max(0, min(bisect(self._names, name) - _COMPARED // 2, len(self._names) - _COMPARED))
        return get_close_matches(name, self._names[first : first + _COMPARED], 1)

    def unknown(self, name: str) -> UnknownModel:
        """Say that there is no such model, and which there are."""
        ids = self.ids
        near = self._near(name[:_LONGEST_NAME])
        meant = f" Did you mean {near[0]!r}?" if near else ""
        there_are = f"{meant} Available: {', '.join(ids[:8])}{', ...' if len(ids) > 8 else ''}." if ids else ""
        if self._silent:
            there_are += (
                f" Not yet said which models they have: {', '.join(self._silent)}; name one as 'provider/model'."
            )
        if not self._providers:
            there_are = " No inference provider is configured; `stackwright serve` prints how to add one."
        return UnknownModel(name, there_are)

"""The run file as one typed value."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AliasChoices, BeforeValidator, Field

from stackwright.config.responses import Responses
from stackwright.config.secret import Secret
from stackwright.config.section import Section
from stackwright.config.server import Server
from stackwright.config.storage import Storage

Api = Literal[
    "inference",
    "models",
    "responses",
    "conversations",
    "prompts",
    "files",
    "vector_io",
    "batches",
    "tool_runtime",
]
APIS: tuple[str, ...] = get_args(Api)
ModelKind = Literal["llm", "embedding", "moderation"]

# Older files write the number as a string.
Version = Annotated[Literal[2], BeforeValidator(lambda value: 2 if value == "2" else value)]


class ProviderEntry(Section):
    """A provider to open: which type, under which name, with which settings."""

    provider_id: str = Field(
        pattern=r"^[^/\s]+$", description="Its name; models are addressed as `provider_id/model`. Empty: switched off."
    )
    provider_type: str = Field(description="`stackwright providers` lists them.")
    config: Any = Field({}, description="The settings that the type declares.")


class RegisteredModel(Section):
    """A model that the catalog has from the start, under a name of your choice."""

    model_id: str = Field(min_length=1, description="The name callers use.")
    provider_id: str = Field(description="The inference provider that serves it.")
    provider_model_id: str | None = Field(None, description="The provider's own name of it, when it is another.")
    model_type: ModelKind = Field("llm", description="What it is for.")
    metadata: dict[str, str | int | float | bool] = Field({}, description="Such as `embedding_dimension: 256`.")


class Connector(Section):
    """An MCP server under a name: a tool `{type: mcp, connector_id: ...}` calls it. It may be a private one."""

    connector_id: str = Field(min_length=1, description="The name callers use.")
    connector_type: Literal["mcp"] = Field("mcp", description="There is but one.")
    url: str = Field(pattern=r"^https?://", description="Where the server is: `https://tools.example.com/mcp`.")
    headers: dict[str, Secret] = Field({}, description="Sent with every request to it; callers never see them.")


class RegisteredResources(Section):
    """What exists from the start."""

    models: tuple[RegisteredModel, ...] = Field((), description="Names for models of the providers.")
    connectors: tuple[Connector, ...] = Field((), description="Names for MCP servers.")


class RunFile(Section):
    """A checked run file: every reference leads somewhere, every provider's config is of its type's class."""

    version: Version = Field(description="Add `version: 2`.")
    image_name: str = Field(
        "stackwright",
        validation_alias=AliasChoices("image_name", "distro_name"),
        description="A name for this server: in its start table, and in Postgres as application `stackwright/<name>`. "
        "`distro_name` in some files.",
    )
    apis: tuple[Api, ...] | None = Field(None, description="The APIs to serve; all of them when left out.")
    providers: dict[Api, tuple[ProviderEntry, ...]] = Field({}, description="What to open, by API.")
    storage: Storage = Field(
        description="Where state is kept: add `storage: {backends: {kv_default: {type: kv_sqlite, db_path: "
        "~/.stackwright/kvstore.db}, sql_default: {type: sql_sqlite, db_path: ~/.stackwright/sql_store.db}}}`."
    )
    registered_resources: RegisteredResources = Field(RegisteredResources(), description="What exists from the start.")
    models: tuple[RegisteredModel, ...] = Field((), description="Older place of registered_resources.models.")
    responses: Responses = Field(Responses(), description="What the Responses API does.")
    server: Server = Field(Server(), description="Where to listen, how much to take, and who may come in.")

    def serves(self, api: Api) -> bool:
        """True when the file asks for this API."""
        return self.apis is None or api in self.apis

    @property
    def registered_models(self) -> tuple[RegisteredModel, ...]:
        """The models of both places."""
        return self.registered_resources.models + self.models

"""What the run file says of a vendor that speaks OpenAI's API, and what the preset table knows of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, PositiveFloat, PositiveInt, field_validator

from stackwright.config.path import PathText
from stackwright.config.secret import Secret
from stackwright.config.section import Section

CountStyle = Literal["responses", "chat", "tokenize"]
"""OpenAI's own route; llama-server's, which takes chat requests; vLLM's, which is beside the API."""
PortName = Literal["completions", "embeddings", "moderations"]


class Config(Section):
    """Where the vendor is, how to get in, and how patient to be."""

    base_url: str = Field(
        description="Address of the API, up to and including its version: `https://host/v1`.",
        validation_alias=AliasChoices("base_url", "url"),
    )
    api_key: Secret | None = Field(
        None,
        description="Sent as `Authorization: Bearer`. Empty: not sent.",
        validation_alias=AliasChoices("api_key", "api_token"),
    )
    headers: dict[str, Secret] = Field({}, description="More header fields, for every request.")
    models: list[str] | None = Field(None, description="The models to offer. Absent: those the vendor lists.")
    connect_timeout: PositiveFloat = Field(5.0, description="Seconds to get a connection.")
    first_byte_timeout: PositiveFloat = Field(
        300.0, description="Seconds to the first byte. An answer that is not streamed is all thought before it."
    )
    chunk_timeout: PositiveFloat = Field(60.0, description="Seconds between two pieces of an answer.")
    total_timeout: PositiveFloat = Field(600.0, description="Seconds a whole answer may take.")
    max_retries: int = Field(
        2, ge=0, le=2, description="Retries after refused connections and 5xx, before the first byte only."
    )
    max_response_bytes: PositiveInt = Field(64 * 1024 * 1024, description="Most bytes of an answer, not streamed.")
    verify_tls: bool = Field(True, description="Check the vendor's certificate.")
    ca_cert_path: PathText | None = Field(None, description="PEM file of authorities to trust instead of the system's.")

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("must begin with http:// or https:// and a host")
        if url.username or url.query or url.fragment:
            raise ValueError("must be without user, query and fragment; credentials go into api_key or headers")
        return value.rstrip("/")

    @field_validator("headers")
    @classmethod
    def _are_lines(cls, value: dict[str, Secret]) -> dict[str, Secret]:
        for name in value:
            if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"{name!r} is no name of a header field")
        return value


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """How a vendor differs from OpenAI."""

    type: str
    ports: frozenset[PortName] = frozenset()
    """What it has besides chat."""
    renames: Mapping[str, str] = field(default_factory=dict)
    """Parameters it knows by another name."""
    hears_reasoning: bool = True
    """Whether a message may carry what the model thought."""
    counts: CountStyle | None = None
    """How it counts the tokens of a prompt, where it can."""

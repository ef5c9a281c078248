"""The `server:` section: where to listen, how much to take, and who may come in."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from stackwright.config.secret import Secret
from stackwright.config.section import Section

TENANT = r"^[A-Za-z0-9_.@-]{1,64}$"


def _tenant(name: str) -> str:
    # It is part of the keys of many stores, in which `/` and `*` have meanings of their own.
    if not re.fullmatch(TENANT.strip("^$"), name):
        raise ValueError("A tenant's name has 1 to 64 characters, each a letter (A-Z, a-z), a digit or one of _ . @ -")
    return name


class ApiKey(Section):
    """A key that callers send as `Authorization: Bearer ...`."""

    name: str = Field(min_length=1, description="Your name for the key; no two have the same.")
    key: Secret = Field(description="The key itself; better `${env.X}` or `${file:...}` than the text.")
    tenant: Annotated[str, AfterValidator(_tenant)] = Field(
        "default",
        description="Whose rows the holder sees and makes: 1 to 64 of `A-Z a-z 0-9 _ . @ -`.",
        json_schema_extra={"pattern": TENANT},
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.key.reveal():
            raise ValueError("The key is empty: anybody could come in")
        return self


class Auth(Section):
    """Who may call."""

    mode: Literal["none", "api_keys"] = Field("none", description="Whether callers need a key.")
    api_keys: tuple[ApiKey, ...] = Field((), description="Needed by, and only allowed with, mode api_keys.")
    i_understand: bool = Field(False, description="Listen beyond this machine although mode is none.")

    @model_validator(mode="after")
    def _keys_fit_the_mode(self) -> Self:
        if self.mode == "none" and self.api_keys:
            raise ValueError("Keys are given, but mode is 'none' and would let everybody in. Set mode: api_keys")
        if self.mode == "api_keys" and not self.api_keys:
            raise ValueError("mode is 'api_keys', but no key is given. Add api_keys: [{name: ..., key: ...}]")
        for what in ("name", "key"):
            if len({getattr(entry, what) for entry in self.api_keys}) < len(self.api_keys):
                raise ValueError(f"Two entries of api_keys have the same {what}")
        return self


def _origin(text: str) -> str:
    # As browsers write it, who compare it letter by letter.
    if not re.fullmatch(r"\*|[a-z][a-z0-9+.-]*://[^/\sA-Z]+", text):
        raise ValueError("An origin is scheme://host or scheme://host:port, such as https://chat.example.org, or '*'")
    return text


def port_in(host: str) -> str | None:
    """Return what is wrong with an address that has a port in it, and the fix. None when it has none."""
    found = re.fullmatch(r"([^:]+|\[.*\]):(\d+)", host)
    return found and f"An address has no port: let server.host (--host) be {found[1]}, server.port (--port) {found[2]}."


def _without_port(host: str) -> str:
    if wrong := port_in(host):
        raise ValueError(wrong)
    return host


class Server(Section):
    """The HTTP server."""

    host: Annotated[str, AfterValidator(_without_port)] = Field(
        "127.0.0.1", min_length=1, description="Address to listen on."
    )
    port: int = Field(8321, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    workers: PositiveInt = Field(1, description="Server processes.")
    max_body_bytes: PositiveInt = Field(10 * 1024 * 1024, description="A larger JSON body is a 413.")
    max_body_bytes_at_once: PositiveInt = Field(
        512 * 1024 * 1024,
        description="Most bytes that the bodies of all requests under way may have together in a server process, "
        "messages over WebSockets among them; those of 64 KiB and less do not count. More is a 503. A byte takes "
        "up to three bytes of memory.",
    )
    max_upload_bytes: PositiveInt = Field(512 * 1024 * 1024, description="A larger file is a 413.")
    grace_seconds: float = Field(30.0, ge=0, description="Time that requests have to finish after SIGTERM.")
    auth: Auth = Field(Auth(), description="Who may call.")

    @model_validator(mode="after")
    def _room_for_a_body(self) -> Self:
        if self.max_body_bytes > self.max_body_bytes_at_once:
            raise ValueError(
                f"max_body_bytes ({self.max_body_bytes}) is more than max_body_bytes_at_once "
                f"({self.max_body_bytes_at_once}), which all requests share. Raise that, or lower max_body_bytes"
            )
        return self

    allow_origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        (),
        description="Origins of web pages that may call from a browser (CORS); `*` is any, and needs keys.",
        examples=[["https://chat.example.org", "http://localhost:3000"]],
    )

    @model_validator(mode="after")
    def _not_every_page_comes_in(self) -> Self:
        if "*" in self.allow_origins and self.auth.mode == "none":
            raise ValueError(
                "allow_origins has '*', but auth.mode is 'none': any page that anybody here looks at could use this "
                "server. Name the origins, or set auth.mode: api_keys"
            )
        return self


def exposure(host: str, auth: Auth) -> str | None:
    """Return what is wrong with listening on `host`, and the fix. None when it is this machine, or guarded."""
    if auth.mode != "none" or auth.i_understand or _is_loopback(host):
        return None
    return (
        f"{host} is reachable from other machines and auth.mode is 'none'. Listen on 127.0.0.1, or set "
        "server.auth: {mode: api_keys, api_keys: [{name: ..., key: ...}]}; if something else guards the port, "
        "say so with server.auth.i_understand: true."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

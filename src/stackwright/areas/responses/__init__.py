"""Responses: turns of a model with its tools, kept as chains."""

from stackwright.areas.responses.background import KIND, Background
from stackwright.areas.responses.intake import Intake
from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.offering import Kit
from stackwright.areas.responses.remote import Remote
from stackwright.areas.responses.routes import api
from stackwright.areas.responses.service import Responses
from stackwright.areas.responses.sockets import Sockets
from stackwright.areas.responses.store import ResponseStore, StoredResponse

__all__ = [
    "KIND",
    "Background",
    "Intake",
    "ItemRow",
    "Kit",
    "Remote",
    "ResponseStore",
    "Responses",
    "Sockets",
    "StoredResponse",
    "api",
]

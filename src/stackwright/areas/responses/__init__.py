"""Responses: turns of a model with its tools, kept as chains."""

from stackwright.areas.responses.attachments import Attachments
from stackwright.areas.responses.background import Background
from stackwright.areas.responses.intake import Intake
from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.journal import Journal
from stackwright.areas.responses.making import KIND, Maker
from stackwright.areas.responses.offering import Kit
from stackwright.areas.responses.remote import Remote
from stackwright.areas.responses.routes import api
from stackwright.areas.responses.sealing import Seals
from stackwright.areas.responses.service import Responses
from stackwright.areas.responses.sockets import Sockets
from stackwright.areas.responses.store import ResponseStore, StoredResponse

__all__ = [
    "KIND",
    "Attachments",
    "Background",
    "Intake",
    "ItemRow",
    "Journal",
    "Kit",
    "Maker",
    "Remote",
    "ResponseStore",
    "Responses",
    "Seals",
    "Sockets",
    "StoredResponse",
    "api",
]

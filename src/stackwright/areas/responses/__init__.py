"""Responses: turns of a model with its tools, kept as chains.

The way of one request, by the files it comes through:

1. `routes` hands it to `service`, which has it made ready, runs the engine, keeps the outcome and answers.
2. `intake` makes it ready: `checking` refuses what nobody does; `talk` reads what was said before; `offering`,
   `remote`, `tooling` and `toolbox` find the tools; `beginning` is the response as it starts; `attachments` puts in
   files, for which there is `room`; `asking` and `messages` put it all into the words of chat completions.
3. The engine (`stackwright.engine`) asks `model`, whose answers `hearing` turns into signals, and has tools run by
   `tooling`. What comes out are events, which `sending` puts on the wire.
4. `store` keeps the outcome: `items` beside the response, `journal` the events of background streams; `retention`
   removes what is old.

In the background, `background` hands a request over as a job and reads along, and `job` makes it there. Over a
WebSocket, `sockets` takes `orders` and calls the same service; `memory` is what such a connection remembers. `sealing`
is for reasoning that a caller keeps.
"""

from stackwright.areas.responses.attachments import Attachments
from stackwright.areas.responses.background import Background
from stackwright.areas.responses.intake import Intake
from stackwright.areas.responses.items import ItemRow
from stackwright.areas.responses.job import KIND, Maker
from stackwright.areas.responses.journal import Journal
from stackwright.areas.responses.offering import Kit
from stackwright.areas.responses.remote import Remote
from stackwright.areas.responses.room import Room
from stackwright.areas.responses.routes import api
from stackwright.areas.responses.sealing import Seals
from stackwright.areas.responses.service import Responses
from stackwright.areas.responses.sockets import Sockets
from stackwright.areas.responses.store import ResponseStore, StoredResponse
from stackwright.areas.responses.talk import Talks

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
    "Room",
    "Seals",
    "Sockets",
    "StoredResponse",
    "Talks",
    "api",
]

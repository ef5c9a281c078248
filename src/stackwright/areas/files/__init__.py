"""Files: uploaded once, read by responses and their owners, kept until they are deleted or expire."""

from stackwright.areas.files.names import media_type, plain_name
from stackwright.areas.files.routes import api
from stackwright.areas.files.service import Files
from stackwright.areas.files.store import FileStore, StoredFile

__all__ = ["FileStore", "Files", "StoredFile", "api", "media_type", "plain_name"]

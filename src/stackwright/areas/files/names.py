"""What files are called, and what that says of their contents."""

import mimetypes
import re

_BINARY = "application/octet-stream"
_MEDIA = re.compile(r"[a-z0-9.+_-]+/[a-z0-9.+_-]+")
_LONGEST = 255


def plain_name(filename: str) -> str:
    """Return a name without folders, control characters and half letters, which is no folder itself."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in last if letter.isprintable())[-_LONGEST:]
    return name if name.strip(".") else "file"


def media_type(filename: str, sent: str | None) -> str:
    """Return the media type that a name says; else the one that was sent."""
    return mimetypes.guess_type(filename)[0] or _media(sent or "") or _BINARY


def _media(value: str) -> str | None:
    media = value.partition(";")[0].strip().lower()
    return media if _MEDIA.fullmatch(media) else None

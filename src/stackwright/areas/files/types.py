"""What the routes of files take and answer."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from stackwright.kit.page import Order, Page

Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
MOST_LISTED = 10_000


class ExpiresAfter(Struct, kw_only=True, forbid_unknown_fields=True):
    """When a file goes by itself."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=30 * 86400)]


class NewFile(Struct, kw_only=True, forbid_unknown_fields=True):
    """A file to be kept, as a form."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class FilesQuery(Struct, kw_only=True):
    """Which files to list."""

    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = MOST_LISTED
    order: Order = "desc"
    purpose: str | None = None


class File(Struct, kw_only=True):
    """A file, without its bytes."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | UnsetType = UNSET
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"


class FileDeleted(Struct, kw_only=True):
    """A file that is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class FileList(Page[File]):
    """One page of files."""


FileContent = Annotated[bytes, Meta(description="The file's bytes.")]

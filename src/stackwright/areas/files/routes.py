"""The Files API, OpenAI's."""

from stackwright.areas.files.service import Files
from stackwright.areas.files.types import File, FileContent, FileDeleted, FileList, FilesQuery, NewFile
from stackwright.http.call import Call, Download
from stackwright.http.form import Form
from stackwright.http.operation import Api

api = Api("Files")


@api.post("/v1/files", body=NewFile, answer=File, form=True)
async def create_file(call: Call[Form], files: Files) -> File:
    """Upload a file."""
    return await files.upload(call.tenant, call.body)


@api.get("/v1/files", query=FilesQuery, answer=FileList)
async def list_files(call: Call[FilesQuery], files: Files) -> FileList:
    """List files, newest first unless asked otherwise."""
    return await files.page(call.tenant, call.query)


@api.get("/v1/files/{file_id}", answer=File)
async def retrieve_file(call: Call[None], files: Files) -> File:
    """Retrieve a file, without its bytes."""
    return await files.get(call.tenant, call.path["file_id"])


@api.get("/v1/files/{file_id}/content", answer=FileContent, media="application/octet-stream")
async def download_file(call: Call[None], files: Files) -> Download:
    """Download a file. Its media type is the file's own."""
    return await files.content(call.tenant, call.path["file_id"])


@api.delete("/v1/files/{file_id}", answer=FileDeleted)
async def delete_file(call: Call[None], files: Files) -> FileDeleted:
    """Delete a file and its bytes."""
    return await files.delete(call.tenant, call.path["file_id"])

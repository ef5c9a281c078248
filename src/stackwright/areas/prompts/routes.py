"""The Prompts API, and the forms of it that Llama Stack's clients use."""

from typing import Any

from stackwright.areas.prompts.diff import Diff, DiffQuery
from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.portable import Export, ExportQuery, Import, ImportResult
from stackwright.areas.prompts.service import Prompts
from stackwright.areas.prompts.types import (
    Draft,
    DraftDeleted,
    EventList,
    ListQuery,
    LlamaDefault,
    LlamaUpdate,
    NewDefault,
    NewDraft,
    NewLabel,
    NewPrompt,
    NewVersion,
    OldLabel,
    OneQuery,
    Prompt,
    PromptChanges,
    PromptDeleted,
    PromptList,
    PromptVersion,
    RenderedPrompt,
    RenderRequest,
    VersionList,
    Yank,
)
from stackwright.http.call import Call
from stackwright.http.operation import Api
from stackwright.kit.page import PageQuery

api = Api("Prompts")


def _who(call: Call[Any]) -> Who:
    return Who(call.tenant, call.tenant, call.request_id)


@api.post("/v1/prompts", body=NewPrompt, answer=Prompt)
async def create_prompt(call: Call[NewPrompt], prompts: Prompts) -> Prompt:
    """Create a prompt. Its content, given as `spec` or beside it, is version 1."""
    return await prompts.create(_who(call), call.body)


@api.get("/v1/prompts", query=ListQuery, answer=PromptList)
async def list_prompts(call: Call[ListQuery], prompts: Prompts) -> PromptList:
    """List prompts. `q` searches name, id, description, text and note."""
    return await prompts.page(call.tenant, call.query)


@api.get("/v1/prompts/export", query=ExportQuery, answer=Export)
async def export_prompts(call: Call[ExportQuery], prompts: Prompts) -> Export:
    """Export prompts with all their versions, a page at a time."""
    return await prompts.transfer.export(call.tenant, call.query)


@api.post("/v1/prompts/import", body=Import, answer=ImportResult)
async def import_prompts(call: Call[Import], prompts: Prompts) -> ImportResult:
    """Import prompts under their own ids and version numbers, all or none. What is there already stays as it is."""
    return await prompts.transfer.take(_who(call), call.body)


@api.get("/v1/prompts/{prompt_id}", query=OneQuery, answer=Prompt)
async def retrieve_prompt(call: Call[OneQuery], prompts: Prompts) -> Prompt:
    """Retrieve a prompt, by id or name, with the text of its default or of the version asked for."""
    return await prompts.get(call.tenant, call.path["prompt_id"], call.query.version)


@api.post("/v1/prompts/{prompt_id}", body=PromptChanges, answer=Prompt)
async def update_prompt(call: Call[PromptChanges], prompts: Prompts) -> Prompt:
    """Change name, description, tags, metadata or default policy. With `If-Match`, only the prompt as it was read."""
    return await prompts.update(_who(call), call.path["prompt_id"], call.body, call.header("if-match"))


@api.delete("/v1/prompts/{prompt_id}", answer=PromptDeleted)
async def delete_prompt(call: Call[None], prompts: Prompts) -> PromptDeleted:
    """Delete a prompt. It can be restored."""
    return await prompts.delete(_who(call), call.path["prompt_id"])


@api.post("/v1/prompts/{prompt_id}/restore", answer=Prompt)
async def restore_prompt(call: Call[None], prompts: Prompts) -> Prompt:
    """Bring a deleted prompt back as it was."""
    return await prompts.restore(_who(call), call.path["prompt_id"])


@api.get("/v1/prompts/{prompt_id}/versions", query=PageQuery, answer=VersionList)
async def list_prompt_versions(call: Call[PageQuery], prompts: Prompts) -> VersionList:
    """List versions, newest first."""
    return await prompts.versions.page(call.tenant, call.path["prompt_id"], call.query)


@api.post("/v1/prompts/{prompt_id}/versions", body=NewVersion, answer=PromptVersion)
async def publish_prompt_version(call: Call[NewVersion], prompts: Prompts) -> PromptVersion:
    """Publish a version. Earlier versions stay readable for ever."""
    return await prompts.versions.publish(_who(call), call.path["prompt_id"], call.body)


@api.get("/v1/prompts/{prompt_id}/versions/{version}", answer=PromptVersion)
async def retrieve_prompt_version(call: Call[None], prompts: Prompts) -> PromptVersion:
    """Retrieve a version by its number, a label or `latest`."""
    return await prompts.versions.get(call.tenant, call.path["prompt_id"], call.path["version"])


@api.post("/v1/prompts/{prompt_id}/versions/{version}/yank", body=Yank, answer=PromptVersion)
async def yank_prompt_version(call: Call[Yank], prompts: Prompts) -> PromptVersion:
    """Mark a version as not to be chosen: not by `latest`, the default or a label. It stays readable."""
    return await prompts.versions.yank(_who(call), call.path["prompt_id"], call.path["version"], call.body.reason)


@api.put("/v1/prompts/{prompt_id}/default", body=NewDefault, answer=Prompt)
async def set_prompt_default(call: Call[NewDefault], prompts: Prompts) -> Prompt:
    """Set the default: a number pins it to that version, `latest` lets it follow."""
    return await prompts.set_default(_who(call), call.path["prompt_id"], call.body)


@api.put("/v1/prompts/{prompt_id}/labels/{label}", body=NewLabel, answer=Prompt)
async def set_prompt_label(call: Call[NewLabel], prompts: Prompts) -> Prompt:
    """Point a label at a version."""
    return await prompts.set_label(_who(call), call.path["prompt_id"], call.path["label"], call.body)


@api.delete("/v1/prompts/{prompt_id}/labels/{label}", query=OldLabel, answer=Prompt)
async def delete_prompt_label(call: Call[OldLabel], prompts: Prompts) -> Prompt:
    """Take a label away."""
    path = call.path
    return await prompts.drop_label(_who(call), path["prompt_id"], path["label"], call.query.expected_version)


@api.get("/v1/prompts/{prompt_id}/draft", answer=Draft)
async def retrieve_prompt_draft(call: Call[None], prompts: Prompts) -> Draft:
    """Retrieve the draft."""
    return await prompts.drafts.get(call.tenant, call.path["prompt_id"])


@api.put("/v1/prompts/{prompt_id}/draft", body=NewDraft, answer=Draft)
async def save_prompt_draft(call: Call[NewDraft], prompts: Prompts) -> Draft:
    """Save a draft. With `revision`, only over the draft that was read."""
    return await prompts.drafts.keep(_who(call), call.path["prompt_id"], call.body)


@api.delete("/v1/prompts/{prompt_id}/draft", answer=DraftDeleted)
async def delete_prompt_draft(call: Call[None], prompts: Prompts) -> DraftDeleted:
    """Delete the draft."""
    return await prompts.drafts.drop(_who(call), call.path["prompt_id"])


@api.get("/v1/prompts/{prompt_id}/diff", query=DiffQuery, answer=Diff)
async def diff_prompt_versions(call: Call[DiffQuery], prompts: Prompts) -> Diff:
    """Compare two versions: messages, variables (breaking or safe), settings, tools."""
    return await prompts.versions.diff(call.tenant, call.path["prompt_id"], call.query)


@api.post("/v1/prompts/{prompt_id}/render", body=RenderRequest, answer=RenderedPrompt)
async def render_prompt(call: Call[RenderRequest], prompts: Prompts) -> RenderedPrompt:
    """Show the request that a model would get. No model is called."""
    return await prompts.render(call.tenant, call.path["prompt_id"], call.body)


@api.get("/v1/prompts/{prompt_id}/events", query=PageQuery, answer=EventList)
async def list_prompt_events(call: Call[PageQuery], prompts: Prompts) -> EventList:
    """List who changed what, when; newest first."""
    return await prompts.events(call.tenant, call.path["prompt_id"], call.query)


@api.put("/v1/prompts/{prompt_id}", body=LlamaUpdate, answer=Prompt)
async def publish_prompt_text(call: Call[LlamaUpdate], prompts: Prompts) -> Prompt:
    """Publish a text as the next version, in Llama Stack's form: `version` is the latest, which it follows."""
    return await prompts.versions.publish_text(_who(call), call.path["prompt_id"], call.body)


@api.put("/v1/prompts/{prompt_id}/set-default-version", body=LlamaDefault, answer=Prompt)
async def set_prompt_default_version(call: Call[LlamaDefault], prompts: Prompts) -> Prompt:
    """Pin the default to a version, in Llama Stack's form."""
    body = NewDefault(version=call.body.version)
    return await prompts.set_default(_who(call), call.path["prompt_id"], body)

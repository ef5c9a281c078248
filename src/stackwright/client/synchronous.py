"""The prompts resource of the synchronous client."""

from collections.abc import Sequence
from typing import Any, Unpack

from openai._base_client import make_request_options
from openai._resource import SyncAPIResource
from openai.pagination import SyncConversationCursorPage

from stackwright.client.models import (
    NewPrompt,
    NewVersion,
    Part,
    Prompt,
    PromptChanges,
    PromptDeleted,
    PromptDiff,
    PromptEvent,
    PromptExport,
    PromptImport,
    PromptVersion,
    RenderedPrompt,
    Which,
    given,
    path,
)

Selector = str | int | None
"""Null is the default; a number is exactly that version; else `latest`, `draft` or a label."""


class Prompts(SyncAPIResource):
    """Prompts, by id or name."""

    def create(self, **prompt: Unpack[NewPrompt]) -> Prompt:
        """Create a prompt; its content is version 1."""
        return self._post("/prompts", body=dict(prompt), cast_to=Prompt)

    def retrieve(self, prompt_id: str, *, version: Selector = None) -> Prompt:
        """Return a prompt, with the text of its default or of the version asked for."""
        options = make_request_options(query=given(version=version))
        return self._get(path(prompt_id), options=options, cast_to=Prompt)

    def list(self, **which: Unpack[Which]) -> SyncConversationCursorPage[Prompt]:
        """List prompts; iterating goes on to the next pages."""
        options = make_request_options(query=dict(which))
        return self._get_api_list("/prompts", page=SyncConversationCursorPage[Prompt], options=options, model=Prompt)

    def update(self, prompt_id: str, *, if_match: str | None = None, **changes: Unpack[PromptChanges]) -> Prompt:
        """Change what is not versioned. With `if_match`, an etag, only the prompt as it was read."""
        options = make_request_options(extra_headers=given(**{"If-Match": if_match}))
        return self._post(path(prompt_id), body=dict(changes), options=options, cast_to=Prompt)

    def delete(self, prompt_id: str) -> PromptDeleted:
        """Delete a prompt. `restore` brings it back."""
        return self._delete(path(prompt_id), cast_to=PromptDeleted)

    def restore(self, prompt_id: str) -> Prompt:
        """Bring a deleted prompt back as it was."""
        return self._post(path(prompt_id, "restore"), cast_to=Prompt)

    def versions(self, prompt_id: str, **part: Unpack[Part]) -> SyncConversationCursorPage[PromptVersion]:
        """List versions, newest first; iterating goes on to the next pages."""
        return self._get_api_list(
            path(prompt_id, "versions"),
            page=SyncConversationCursorPage[PromptVersion],
            options=make_request_options(query=dict(part)),
            model=PromptVersion,
        )

    def version(self, prompt_id: str, version: str | int) -> PromptVersion:
        """Return one version with its content."""
        return self._get(path(prompt_id, "versions", version), cast_to=PromptVersion)

    def publish(self, prompt_id: str, **version: Unpack[NewVersion]) -> PromptVersion:
        """Publish a version."""
        return self._post(path(prompt_id, "versions"), body=dict(version), cast_to=PromptVersion)

    def yank(self, prompt_id: str, version: str | int, *, reason: str | None = None) -> PromptVersion:
        """Mark a version as not to be chosen any more."""
        body = given(reason=reason)
        return self._post(path(prompt_id, "versions", version, "yank"), body=body, cast_to=PromptVersion)

    def set_default(self, prompt_id: str, version: str | int, *, expected_version: int | None = None) -> Prompt:
        """Point the default at a version and pin it there; `latest` lets it follow."""
        body = given(version=version, expected_version=expected_version)
        return self._put(path(prompt_id, "default"), body=body, cast_to=Prompt)

    def set_label(
        self, prompt_id: str, label: str, version: str | int, *, expected_version: int | None = None
    ) -> Prompt:
        """Point a label at a version."""
        body = given(version=version, expected_version=expected_version)
        return self._put(path(prompt_id, "labels", label), body=body, cast_to=Prompt)

    def delete_label(self, prompt_id: str, label: str) -> Prompt:
        """Take a label away."""
        return self._delete(path(prompt_id, "labels", label), cast_to=Prompt)

    def render(
        self,
        prompt_id: str,
        *,
        version: Selector = None,
        variables: dict[str, Any] | None = None,
        input: str | Sequence[dict[str, Any]] | None = None,
    ) -> RenderedPrompt:
        """Return the request that a model would get. No model is called."""
        body = given(version=version, variables=variables, input=input)
        return self._post(path(prompt_id, "render"), body=body, cast_to=RenderedPrompt)

    def diff(self, prompt_id: str, from_version: Selector = None, to_version: Selector = None) -> PromptDiff:
        """Compare two versions: when not said, the latest with the one before."""
        options = make_request_options(query=given(**{"from": from_version, "to": to_version}))
        return self._get(path(prompt_id, "diff"), options=options, cast_to=PromptDiff)

    def events(self, prompt_id: str, **part: Unpack[Part]) -> SyncConversationCursorPage[PromptEvent]:
        """List who changed what, newest first; iterating goes on to the next pages."""
        return self._get_api_list(
            path(prompt_id, "events"),
            page=SyncConversationCursorPage[PromptEvent],
            options=make_request_options(query=dict(part)),
            model=PromptEvent,
        )

    def export(
        self, prompt_id: str | None = None, *, after: str | None = None, limit: int | None = None
    ) -> PromptExport:
        """Return a page of all prompts, or one prompt, with all their versions."""
        options = make_request_options(query=given(prompt=prompt_id, after=after, limit=limit))
        return self._get("/prompts/export", options=options, cast_to=PromptExport)

    def import_(self, prompts: Sequence[dict[str, Any]], *, dry_run: bool = False) -> PromptImport:
        """Import prompts under their own ids and version numbers: an export's `data`, or written by hand. All are
        taken or none; with `dry_run` none, and the answer says what would come of it."""
        body = {"data": prompts, "dry_run": dry_run}
        return self._post("/prompts/import", body=body, cast_to=PromptImport)

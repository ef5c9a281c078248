"""What is kept: versions, the default, labels, drafts, events; on SQLite and on Postgres."""

from typing import Any

import msgspec
import pytest

from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.memory import Memory
from stackwright.areas.prompts.portable import ExportQuery, Import
from stackwright.areas.prompts.service import Prompts
from stackwright.areas.prompts.tables import Tables
from stackwright.areas.prompts.types import (
    ListQuery,
    NewDefault,
    NewDraft,
    NewLabel,
    NewPrompt,
    NewVersion,
    PromptChanges,
)
from stackwright.errors import Conflict, InvalidRequest
from stackwright.kit.page import PageQuery
from stackwright.wire.responses import PromptRef

ADA = Who("ada", "ada", "req_1")
BOB = Who("bob", "bob", "req_2")


def version(text: str, **fields: Any) -> NewVersion:
    return NewVersion(instructions=text, **fields)


async def with_versions(prompts: Prompts, count: int, **fields: Any) -> str:
    made = await prompts.create(ADA, NewPrompt(instructions="text 1", **fields))
    for number in range(2, count + 1):
        await prompts.versions.publish(ADA, made.id, version(f"text {number}"))
    return made.id


async def text_of(prompts: Prompts, reference: str, selector: Any = None, tenant: str = "ada") -> str:
    resolved = await prompts.resolve(tenant, PromptRef(id=reference, version=selector))
    return resolved.compiled.text


async def refused(code: str, work: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as raised:
        await work
    assert raised.value.code == code
    return raised.value


async def test_publishing_moves_a_default_that_follows_and_leaves_a_pinned_one(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 3)
    assert (await prompts.get("ada", pid)).default_version == 3
    rolled_back = await prompts.set_default(ADA, pid, NewDefault(version="1"))
    assert (rolled_back.default_version, rolled_back.default_policy, rolled_back.prompt) == (1, "pinned", "text 1")
    await prompts.versions.publish(ADA, pid, version("text 4"))
    assert await text_of(prompts, pid) == "text 1"
    await prompts.versions.publish(ADA, pid, version("text 5", set_default=True))
    assert await text_of(prompts, pid) == "text 5"
    following = await prompts.set_default(ADA, pid, NewDefault(version="latest"))
    assert (following.default_version, following.default_policy) == (5, "follow")
    await prompts.versions.publish(ADA, pid, version("text 6", set_default=False))
    assert await text_of(prompts, pid) == "text 5"
    assert await text_of(prompts, pid, "latest") == "text 6"


async def test_the_same_content_is_the_same_version(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 2)
    again = await prompts.versions.publish(ADA, pid, version("text 2", note="again"))
    assert (again.version, again.note) == (2, None)
    retried = await prompts.versions.publish(ADA, pid, version("text 2", base_version=1))
    assert retried.version == 2
    earlier = await prompts.versions.publish(ADA, pid, version("text 1", labels=["prod"]))
    assert (earlier.version, earlier.parent_version) == (3, 2)


async def test_a_base_that_moved_is_a_conflict_that_says_what_differs(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 3)
    error = await refused("prompt_version_conflict", prompts.versions.publish(ADA, pid, version("x", base_version=2)))
    assert (error.status, error.details["latest_version"]) == (409, 3)
    assert error.details["differs"]["messages"][0]["lines"] == ["@@ -1 +1 @@", "-text 2", "+text 3"]
    assert (await prompts.versions.publish(ADA, pid, version("x", base_version=3))).version == 4


async def test_selectors(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 3, name="guide", labels=["first"])
    await prompts.set_default(ADA, "guide", NewDefault(version=2))
    for selector, text in [
        (None, "text 2"),
        ("", "text 2"),
        ("1", "text 1"),
        (3, "text 3"),
        ("latest", "text 3"),
        ("first", "text 1"),
    ]:
        assert await text_of(prompts, pid, selector) == text
        assert await text_of(prompts, "guide", selector) == text
    error = await refused("prompt_label_not_found", text_of(prompts, pid, "prod"))
    assert error.message == f"Prompt '{pid}' has no label 'prod'. Its labels: first."
    error = await refused("prompt_version_not_found", text_of(prompts, pid, "9"))
    assert error.message == f"Prompt '{pid}' has no version 9. Its latest is 3."
    error = await refused("prompt_not_found", text_of(prompts, "pmpt_x"))
    assert (error.status, error.message) == (404, "Prompt with id 'pmpt_x' not found.")


async def test_labels_move_in_one_statement_and_only_from_where_they_were_seen(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 2)
    labelled = await prompts.set_label(ADA, pid, "prod", NewLabel(version=1, expected_version=None))
    assert labelled.labels == {"prod": 1}
    stale = prompts.set_label(ADA, pid, "prod", NewLabel(version=2, expected_version=None))
    await refused("prompt_label_conflict", stale)
    moved = await prompts.set_label(ADA, pid, "prod", NewLabel(version="latest", expected_version=1))
    assert moved.labels == {"prod": 2}
    await refused("prompt_label_conflict", prompts.drop_label(ADA, pid, "prod", 1))
    assert (await prompts.drop_label(ADA, pid, "prod", 2)).labels == {}
    await refused("prompt_label_not_found", prompts.drop_label(ADA, pid, "prod", None))
    with pytest.raises(InvalidRequest):
        await prompts.set_label(ADA, pid, "latest", NewLabel(version=1))
    await refused("prompt_default_conflict", prompts.set_default(ADA, pid, NewDefault(version=1, expected_version=1)))


async def test_a_yanked_version_is_never_chosen_but_stays_readable(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 3)
    await refused("prompt_version_in_use", prompts.versions.yank(ADA, pid, "3", None))
    await prompts.set_default(ADA, pid, NewDefault(version=1))
    yanked = await prompts.versions.yank(ADA, pid, "latest", "it swears")
    assert (yanked.version, yanked.yanked, yanked.yank_reason) == (3, True, "it swears")
    assert await text_of(prompts, pid, "latest") == "text 2"
    assert await text_of(prompts, pid, "3") == "text 3"
    error = await refused("prompt_version_yanked", prompts.set_default(ADA, pid, NewDefault(version=3)))
    assert error.message == "Version 3 was yanked: it swears."
    again = await prompts.versions.publish(ADA, pid, version("text 3"))
    assert again.version == 4


async def test_a_deleted_prompt_is_gone_until_it_is_restored(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 2, name="guide", labels=["prod"])
    before = await prompts.get("ada", pid)
    await prompts.delete(ADA, "guide")
    await refused("prompt_not_found", text_of(prompts, pid))
    await refused("prompt_not_found", prompts.get("ada", pid))
    await refused("prompt_not_found", prompts.versions.publish(ADA, pid, version("x")))
    assert [one.id for one in (await prompts.page("ada", ListQuery(archived=True))).data] == [pid]
    await refused("prompt_exists", prompts.create(ADA, NewPrompt(instructions="x", name="guide")))
    after = await prompts.restore(ADA, pid)
    assert msgspec.structs.replace(after, etag=before.etag, updated_at=before.updated_at) == before
    assert await text_of(prompts, "guide") == "text 2"


async def test_a_stale_etag_changes_nothing(prompts: Prompts) -> None:
    made = await prompts.create(ADA, NewPrompt(instructions="x", name="a"))
    changed = await prompts.update(ADA, made.id, PromptChanges(name="b", tags=["t"]), made.etag)
    error = await refused("precondition_failed", prompts.update(ADA, made.id, PromptChanges(name="c"), made.etag))
    assert error.status == 412
    assert (changed.name, changed.tags, changed.version) == ("b", ["t"], 1)
    assert await prompts.get("ada", "b") == changed
    await refused("prompt_not_found", text_of(prompts, "a"))


async def test_drafts_have_revisions_and_become_versions(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 1)
    await refused("prompt_draft_not_found", prompts.drafts.get("ada", pid))
    draft = await prompts.drafts.keep(ADA, pid, NewDraft(instructions="half", revision=0))
    assert (draft.revision, draft.base_version) == (1, 1)
    await refused("prompt_draft_conflict", prompts.drafts.keep(ADA, pid, NewDraft(instructions="x", revision=0)))
    await prompts.drafts.keep(ADA, pid, NewDraft(instructions="whole", revision=1))
    assert await text_of(prompts, pid, "draft") == "whole"
    published = await prompts.versions.publish(ADA, pid, NewVersion(from_draft=True))
    assert (published.version, published.prompt) == (2, "whole")
    await refused("prompt_draft_not_found", text_of(prompts, pid, "draft"))
    await prompts.drafts.keep(ADA, pid, NewDraft(instructions="from 1", base_version=1))
    await refused("prompt_version_conflict", prompts.versions.publish(ADA, pid, NewVersion(from_draft=True)))
    assert (await prompts.drafts.drop(ADA, pid)).deleted


async def test_lists_page_and_filter(prompts: Prompts) -> None:
    made = []
    for number in range(5):
        tags = ["even" if number % 2 == 0 else "o%d", f"n{number}"]
        body = NewPrompt(instructions=f"Text %{number}_", name=f"Name {number}", tags=tags, labels=["a", f"l{number}"])
        made.append((await prompts.create(ADA, body)).id)
    await prompts.create(BOB, NewPrompt(instructions="Text %1_", tags=["even"], labels=["a"]))

    async def ids(**query: Any) -> list[str]:
        return [one.id for one in (await prompts.page("ada", ListQuery(**query))).data]

    assert await ids() == made[::-1]
    assert await ids(order="asc", limit=2) == made[:2]
    assert await ids(order="asc", limit=2, after=made[1]) == made[2:4]
    assert await ids(order="asc", limit=2, before=made[4]) == made[2:4]
    assert await ids(limit=2, after=made[3]) == [made[2], made[1]]
    assert await ids(tag="even") == [made[4], made[2], made[0]]
    assert await ids(tag="o%d", order="asc") == [made[1], made[3]]
    assert await ids(label="l3") == [made[3]]
    assert await ids(label="l") == []
    assert await ids(q="NAME 2") == [made[2]]
    assert await ids(q="%3_") == [made[3]]
    assert await ids(q="%") == made[::-1]
    assert await ids(q="__") == []
    await prompts.versions.publish(ADA, made[1], version("y", note="Quieter"))
    await prompts.versions.publish(ADA, made[1], version("z"))
    assert await ids(q="quieter") == [made[1]]
    assert (await prompts.page("ada", ListQuery(limit=5))).has_more is False
    assert (await prompts.page("ada", ListQuery(limit=4))).has_more is True
    with pytest.raises(InvalidRequest):
        await ids(after="pmpt_none")


async def test_versions_page_by_number(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 5)
    first = await prompts.versions.page("ada", pid, PageQuery(limit=2))
    assert ([one.version for one in first.data], first.last_id, first.has_more) == ([5, 4], "4", True)
    rest = await prompts.versions.page("ada", pid, PageQuery(limit=10, after=first.last_id))
    assert ([one.version for one in rest.data], rest.has_more) == ([3, 2, 1], False)
    assert [one.is_default for one in first.data] == [True, False]


async def test_events_tell_who_did_what(prompts: Prompts) -> None:
    pid = await with_versions(prompts, 2)
    await prompts.set_default(ADA, pid, NewDefault(version=1))
    await prompts.delete(ADA, pid)
    events = (await prompts.events("ada", pid, PageQuery(order="asc"))).data
    assert [one.type for one in events] == [
        "prompt.created",
        "prompt.version.published",
        "prompt.default.set",
        "prompt.deleted",
    ]
    assert {(one.actor, one.request_id) for one in events} == {("ada", "req_1")}
    assert events[2].data == {"before": 2, "policy": "pinned", "version": 1}


async def test_everything_belongs_to_its_tenant(prompts: Prompts) -> None:
    mine = await prompts.create(ADA, NewPrompt(id="pmpt_same", instructions="ada's", name="guide"))
    theirs = await prompts.create(BOB, NewPrompt(id="pmpt_same", instructions="bob's", name="guide"))
    assert (mine.id, mine.prompt, theirs.prompt) == ("pmpt_same", "ada's", "bob's")
    await prompts.versions.publish(BOB, "guide", version("bob's 2"))
    assert await text_of(prompts, "guide", tenant="ada") == "ada's"
    assert await text_of(prompts, "pmpt_same", tenant="bob") == "bob's 2"
    await prompts.delete(BOB, "guide")
    assert (await prompts.get("ada", "guide")).prompt == "ada's"
    await refused("prompt_not_found", text_of(prompts, "guide", tenant="eve"))
    assert len((await prompts.events("ada", "pmpt_same", PageQuery())).data) == 1


async def test_prompts_move_with_their_ids_and_numbers(prompts: Prompts) -> None:
    await with_versions(prompts, 3, id="pmpt_a", name="guide", tags=["t"], metadata={"k": "v"}, labels=["prod"])
    await prompts.set_default(ADA, "pmpt_a", NewDefault(version=2))
    export = await prompts.transfer.export("ada", ExportQuery())
    moved = msgspec.json.decode(msgspec.json.encode(export), type=Import)
    result = await prompts.transfer.take(BOB, moved)
    assert [(one.status, one.versions) for one in result.data] == [("created", [1, 2, 3])]
    assert (await prompts.transfer.export("bob", ExportQuery())).data == export.data
    again = await prompts.transfer.take(BOB, moved)
    assert [one.status for one in again.data] == ["unchanged"]
    assert await text_of(prompts, "guide", tenant="bob") == "text 2"
    moved.data[0].versions.append(msgspec.structs.replace(moved.data[0].versions[0], version=7))
    extended = await prompts.transfer.take(BOB, moved)
    assert [(one.status, one.versions) for one in extended.data] == [("extended", [7])]
    assert (await prompts.versions.publish(BOB, "guide", version("next"))).version == 8
    moved.data[0].versions[1].spec = moved.data[0].versions[0].spec
    with pytest.raises(Conflict, match="has a version 2 with other content"):
        await prompts.transfer.take(BOB, moved)


async def test_a_prompt_copied_by_hand_keeps_id_and_number(prompts: Prompts) -> None:
    pid = "pmpt_68b0c29740048196bd3a6e6ac3c4d0e20ed9a13f0d15bf5e"
    body = {"data": [{"id": pid, "versions": [{"version": 2, "instructions": "Hi {{ city }}", "model": "m"}]}]}
    await prompts.transfer.take(ADA, msgspec.convert(body, Import))
    assert await text_of(prompts, pid, "2") == "Hi {{ city }}"
    assert await text_of(prompts, pid) == "Hi {{ city }}"
    await refused("prompt_version_not_found", text_of(prompts, pid, "1"))


async def test_what_is_exported_can_be_imported_up_to_the_highest_number(prompts: Prompts) -> None:
    body = {"data": [{"id": "pmpt_high", "versions": [{"version": 2**31 - 2, "prompt": "x"}]}]}
    await prompts.transfer.take(ADA, msgspec.convert(body, Import))
    assert (await prompts.versions.publish(ADA, "pmpt_high", version("y"))).version == 2**31 - 1
    for text in ("z", "x"):
        refusal = await refused("prompt_versions_exhausted", prompts.versions.publish(ADA, "pmpt_high", version(text)))
        assert refusal.message == (
            "Prompt 'pmpt_high' has a version 2147483647, and no higher number can be published. Create another prompt."
        )
    export = msgspec.json.encode(await prompts.transfer.export("ada", ExportQuery()))
    imported = await prompts.transfer.take(BOB, msgspec.json.decode(export, type=Import))
    assert imported.data[0].versions == [2**31 - 2, 2**31 - 1]
    assert msgspec.json.encode(await prompts.transfer.export("bob", ExportQuery())) == export
    over = {"data": [{"id": "pmpt_over", "versions": [{"version": 2**31, "prompt": "x"}]}]}
    with pytest.raises(msgspec.ValidationError, match=r"`int` <= 2147483647 .*versions\[0\].version"):
        msgspec.convert(over, Import)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"versions": [{"version": 1}]}, "version 1: A prompt needs text"),
        ({"versions": [{"version": 1, "prompt": "x"}, {"version": 1, "prompt": "y"}]}, "version 1 is there twice"),
        ({"default_version": 2, "versions": [{"prompt": "x"}]}, "default_version is version 2, which is not among"),
        ({"labels": {"prod": 3}, "versions": [{"prompt": "x"}]}, "prod is version 3, which is not among"),
    ],
)
async def test_an_import_that_cannot_be_right_writes_nothing(prompts: Prompts, fields: Any, why: str) -> None:
    good = {"id": "pmpt_good", "versions": [{"prompt": "x"}]}
    with pytest.raises(InvalidRequest, match=why) as raised:
        await prompts.transfer.take(ADA, msgspec.convert({"data": [good, {"id": "pmpt_bad", **fields}]}, Import))
    assert raised.value.param == "data[1]"
    assert (await prompts.page("ada", ListQuery())).data == []


def hand_written(*prompts: dict[str, Any], dry_run: bool = False) -> Import:
    """Return an import of prompts with one version each, whose text is `text`."""
    data = [
        {**{name: one[name] for name in one if name != "text"}, "versions": [{"prompt": one["text"]}]}
        for one in prompts
    ]
    return msgspec.convert({"data": data, "dry_run": dry_run}, Import)


async def test_an_import_is_in_whole_or_not_at_all(prompts: Prompts) -> None:
    await prompts.create(ADA, NewPrompt(id="pmpt_here", name="taken", instructions="here"))
    await prompts.create(ADA, NewPrompt(id="pmpt_gone", instructions="gone"))
    await prompts.delete(ADA, "pmpt_gone")
    new, other = {"id": "pmpt_new", "text": "x"}, {"id": "pmpt_here", "text": "other"}
    named, gone = {"id": "pmpt_named", "name": "taken", "text": "y"}, {"id": "pmpt_gone", "text": "gone"}
    with pytest.raises(Conflict) as raised:
        await prompts.transfer.take(ADA, hand_written(new, other, named, gone))
    assert raised.value.message == (
        "Prompt 'pmpt_here' has a version 1 with other content. "
        "Another prompt has the name 'taken' of 'pmpt_named'. "
        "Prompt 'pmpt_gone' was deleted here. Restore it first: POST /v1/prompts/pmpt_gone/restore. "
        "Nothing was imported."
    )
    assert (raised.value.param, raised.value.code) == ("data", "prompt_version_conflict")
    assert [one.id for one in (await prompts.page("ada", ListQuery())).data] == ["pmpt_here"]
    await refused("prompt_not_found", text_of(prompts, "pmpt_new"))
    result = await prompts.transfer.take(ADA, hand_written(new, {"id": "pmpt_here", "text": "here"}))
    assert [(one.id, one.status) for one in result.data] == [("pmpt_new", "created"), ("pmpt_here", "unchanged")]


async def test_what_is_twice_in_an_import_must_fit_together(prompts: Prompts) -> None:
    one, same = {"id": "pmpt_one", "name": "guide", "text": "x"}, {"id": "pmpt_one", "text": "x"}
    result = await prompts.transfer.take(ADA, hand_written(one, same))
    assert [one.status for one in result.data] == ["created", "unchanged"]
    named = [{"id": f"pmpt_{number}", "name": "same", "text": "x"} for number in range(13)]
    with pytest.raises(Conflict, match=r"the name 'same' of 'pmpt_10'\. So it is with 2 more\. Nothing was imported\."):
        await prompts.transfer.take(ADA, hand_written(*named))


async def test_a_rehearsed_import_says_what_would_come_of_it(prompts: Prompts) -> None:
    await prompts.create(ADA, NewPrompt(id="pmpt_here", instructions="here"))
    given = [{"id": "pmpt_new", "text": "x"}, {"id": "pmpt_here", "text": "here"}]
    rehearsed = await prompts.transfer.take(ADA, hand_written(*given, dry_run=True))
    assert [one.id for one in (await prompts.page("ada", ListQuery())).data] == ["pmpt_here"]
    assert len((await prompts.events("ada", "pmpt_here", PageQuery())).data) == 1
    imported = await prompts.transfer.take(ADA, hand_written(*given))
    assert (rehearsed.dry_run, imported.dry_run, rehearsed.data) == (True, False, imported.data)
    assert [(one.status, one.versions) for one in imported.data] == [("created", [1]), ("unchanged", [])]
    with pytest.raises(Conflict, match="has a version 1 with other content"):
        await prompts.transfer.take(ADA, hand_written({"id": "pmpt_new", "text": "y"}, dry_run=True))


async def test_a_publication_after_another_sees_what_changed_between_them(prompts: Prompts) -> None:
    prompt_id = await with_versions(prompts, 2)
    await prompts.set_label(ADA, prompt_id, "prod", NewLabel(version=1))
    third = await prompts.versions.publish(ADA, prompt_id, version("third", labels=["next"]))
    await prompts.set_default(ADA, prompt_id, NewDefault(version=1))
    fourth = await prompts.versions.publish(ADA, prompt_id, version("fourth"))
    found = await prompts.get("ada", prompt_id)
    assert (third.version, fourth.version, fourth.is_default) == (3, 4, False)
    assert (found.labels, found.default_version, found.latest_version) == ({"prod": 1, "next": 3}, 1, 4)
    await prompts.delete(ADA, prompt_id)
    await refused("prompt_not_found", prompts.versions.publish(ADA, prompt_id, version("fifth")))


async def test_memory_that_is_full_lets_go_of_versions_that_were_defaults(prompts: Prompts, tables: Tables) -> None:
    made = [await with_versions(prompts, 1) for _ in range(3)]
    memory = Memory(tables, capacity=1)
    for prompt_id in made:
        await memory.resolve("ada", prompt_id, None)
        memory.warm("ada", prompt_id, None)
    assert sum(memory.warm("ada", prompt_id, None) is not None for prompt_id in made) == 1
    assert [(await memory.resolve("ada", prompt_id, None)).prompt_id for prompt_id in made] == made

"""Stores that one transaction spans are in one database."""

import pytest

from tests.config.files import complaints, minimal, read

OTHER = "    other: {type: sql_sqlite, db_path: %s}\n"
STORES = """\
  stores:
    conversations: {backend: other, table_name: talks}
    responses: {backend: %s, table_name: answers}
"""


def test_conversations_away_from_responses_are_a_complaint() -> None:
    (found,) = complaints(minimal(OTHER % "/nowhere/other.db") + STORES % "sql_default")
    assert "storage.stores.conversations.backend" in found
    assert "Conversations are in 'other' and responses in 'sql_default'" in found
    assert "name the same backend" in found


@pytest.mark.parametrize(("path", "responses"), [("/nowhere/other.db", "other"), ("/nowhere/sql.db", "sql_default")])
def test_one_database_may_have_two_names(path: str, responses: str) -> None:
    run = read(minimal(OTHER % path) + STORES % responses)
    assert run.storage.stores.conversations.backend == "other"

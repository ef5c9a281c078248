"""Stores that one transaction spans."""

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.sharing import identity
from stackwright.config.storage import Storage


def check(storage: Storage, root: Node, report: Report) -> None:
    """Report responses and conversations that are not in one database: what a response adds to its conversation is
    committed with the response, or not at all."""
    stores = storage.stores
    ours, theirs = (storage.backends.get(one.backend) for one in (stores.conversations, stores.responses))
    if ours is None or theirs is None or identity(ours) == identity(theirs):
        return
    report.value(
        root.nearest(("storage", "stores", "conversations", "backend")),
        f"Conversations are in '{stores.conversations.backend}' and responses in '{stores.responses.backend}'. A "
        "response and what it adds to its conversation are one transaction: name the same backend in "
        "storage.stores.conversations and storage.stores.responses.",
    )

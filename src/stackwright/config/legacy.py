"""The old layout: connections copied to where they are used. Recognised, not read."""

from stackwright.config.complaint import Report
from stackwright.config.locate import Node
from stackwright.config.providers import entries
from stackwright.config.storage import Stores

_DRIVERS = {"sqlite", "postgres", "redis", "mongodb"}
_STORES = [f"{name}_store" for name in Stores.model_fields]

WORDS = "A connection where it is used. Today each stands once, under storage.backends, and is referred to by name."


def complain(root: Node, report: Report) -> None:
    """Report each place of the old layout, and take it out of the tree."""
    for key in _STORES:
        if root.child(key) is not None:
            _take_out(root, key, report)
    for _, entry in entries(root):
        config = entry.child("config")
        for node in config.walk() if config else ():
            for key, child in list(node.fields().items()):
                driver = child.child("type")
                if driver is not None and driver.text in _DRIVERS and not child.child("backend"):
                    _take_out(node, key, report)


def _take_out(parent: Node, key: str, report: Report) -> None:
    parent.old = True
    report.outdated(parent.fields().pop(key), WORDS)

"""Whose work a task does: for what tenants share far below the rooms that know them."""

from contextvars import ContextVar

TENANT: ContextVar[str] = ContextVar("tenant", default="")
"""Set where a tenant's work begins. Tasks that this starts have it too."""

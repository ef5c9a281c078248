"""Prompts: text with variables and settings, in versions, used by a request that names one."""

from stackwright.areas.prompts.apply import Merged, Resolved, apply
from stackwright.areas.prompts.ledger import Who
from stackwright.areas.prompts.portable import ExportQuery, Import, ImportedPrompt, ImportedVersion
from stackwright.areas.prompts.routes import api
from stackwright.areas.prompts.service import Prompts

__all__ = [
    "ExportQuery",
    "Import",
    "ImportedPrompt",
    "ImportedVersion",
    "Merged",
    "Prompts",
    "Resolved",
    "Who",
    "api",
    "apply",
]

"""Provider types: one self-describing file each. Nothing is imported until it is named.

What a plug-in needs to describe itself is here; the ports it answers to are in `stackwright.ports`.
"""

from stackwright.config.secret import Secret
from stackwright.config.section import Section
from stackwright.config.storage import KVReference, SqlReference
from stackwright.providers.provider import Backends, Provider

__all__ = ["Backends", "KVReference", "Provider", "Secret", "Section", "SqlReference"]

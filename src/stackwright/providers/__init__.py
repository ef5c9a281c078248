"""Provider types: one self-describing file each. Nothing is imported until it is named."""

from stackwright.providers.provider import Backends, Provider

__all__ = ["Backends", "Provider"]

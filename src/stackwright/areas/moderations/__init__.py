"""Moderations, where a provider has them."""

from stackwright.areas.moderations.routes import api
from stackwright.areas.moderations.service import ModerationService

__all__ = ["ModerationService", "api"]

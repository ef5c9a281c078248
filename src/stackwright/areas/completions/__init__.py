"""Legacy text completions."""

from stackwright.areas.completions.routes import api
from stackwright.areas.completions.service import CompletionService

__all__ = ["CompletionService", "api"]

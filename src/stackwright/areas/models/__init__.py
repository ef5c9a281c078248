"""Which models there are, and who serves each."""

from stackwright.areas.models.catalog import Catalog
from stackwright.areas.models.fields import call_of, fields, passed_on
from stackwright.areas.models.index import Served, Target
from stackwright.areas.models.metering import Metered
from stackwright.areas.models.registry import Registry
from stackwright.areas.models.routes import api
from stackwright.areas.models.types import Registration

__all__ = [
    "Catalog",
    "Metered",
    "Registration",
    "Registry",
    "Served",
    "Target",
    "api",
    "call_of",
    "fields",
    "passed_on",
]

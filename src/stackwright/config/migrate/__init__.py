"""From run files of the old layout to named backends."""

from stackwright.config.migrate.migrate import Migration, migrate
from stackwright.config.migrate.report import Change

__all__ = ["Change", "Migration", "migrate"]

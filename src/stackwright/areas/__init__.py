"""One folder per public API family. Enter each by its front door: `areas.models`, never `areas.models.catalog`."""

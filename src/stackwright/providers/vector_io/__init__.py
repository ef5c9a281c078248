"""Vector providers."""

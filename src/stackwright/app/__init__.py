"""Wiring: the only room that knows everyone."""

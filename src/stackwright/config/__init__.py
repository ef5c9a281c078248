"""The run file as types."""

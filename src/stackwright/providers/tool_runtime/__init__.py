"""Servers that have tools."""

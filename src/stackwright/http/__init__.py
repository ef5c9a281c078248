"""Furniture for all routes: operations, the error envelope, event streams, the layers between socket and handler."""

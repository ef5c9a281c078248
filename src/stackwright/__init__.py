"""Stackwright: the OpenAI application API on any model, with all state in databases you own."""

__version__ = "0.1.0"

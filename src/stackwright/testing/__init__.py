"""Shipped for plug-in authors: contract suites for adapters, a vendor that does what it is told, a KV in memory."""

"""Shipped for plug-in authors: contract suites to run against an adapter of your own."""

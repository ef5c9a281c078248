"""Measures the server against a bare proxy of the same libraries: `make bench`, or `python -m bench.run`."""

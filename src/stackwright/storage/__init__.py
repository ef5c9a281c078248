"""Opens each named backend once and hands out KV or SQL by name."""

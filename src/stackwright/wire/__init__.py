"""OpenAI's vocabulary, as far as two or more areas share it."""

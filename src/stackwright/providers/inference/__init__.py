"""Inference providers: one file per type, and the presets that share the OpenAI-compatible adapter."""

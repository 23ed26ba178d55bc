"""Exemplars on disk."""

"""Uploaded bundles of source maps, on disk."""

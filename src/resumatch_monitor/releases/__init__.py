"""Releases, their deploys, and how many sessions crashed in them."""

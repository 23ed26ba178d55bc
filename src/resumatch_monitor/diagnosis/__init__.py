"""Finds out why: what a message says beyond the alert itself."""

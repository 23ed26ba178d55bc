"""Digests: what fired in a day or a week, in one message at a time of day that people chose."""

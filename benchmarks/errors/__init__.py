"""Errors beside Bugsink: what is fully processed, how soon it is acknowledged, what it costs."""

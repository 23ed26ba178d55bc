"""Measurements: `make bench`, or `make bench ARGS=name` for one."""

"""Spans on the disk: a SQLite file for each stretch of time, given up as a whole or thinned."""

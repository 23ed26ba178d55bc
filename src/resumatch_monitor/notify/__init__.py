"""How: one package a channel."""

"""Serves the built web UI and the server-rendered pages."""

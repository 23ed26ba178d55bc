"""Probes from outside: HTTP, PostgreSQL, Redis; outages."""

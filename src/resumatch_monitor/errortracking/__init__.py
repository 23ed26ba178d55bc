"""Sentry's events made into issues: parse, normalise, scrub, group."""

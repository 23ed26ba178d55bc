"""Tests of rules in promtool's format, run by the engine that evaluates the rules in earnest."""

"""Tests of the store of traces."""

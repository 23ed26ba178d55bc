"""Transactions and spans: traces, and how fast each endpoint is."""

"""The durable ingest queue: what is acknowledged is here first."""

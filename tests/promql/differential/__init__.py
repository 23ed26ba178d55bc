"""Random queries, answered by this engine and by Prometheus over the same samples."""

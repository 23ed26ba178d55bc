"""OTLP metrics: read, named as Prometheus names them, deltas summed up."""

"""The metrics engine beside Prometheus and VictoriaMetrics, in one run on the same data."""

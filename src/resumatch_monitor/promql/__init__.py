"""PromQL over NumPy matrices; pure, without I/O."""

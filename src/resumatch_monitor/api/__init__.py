"""The HTTP edge, one thin router a feature."""

"""The HTTP edge: one module a part of the product."""

"""Series about databases, named as the well-known exporters name them."""

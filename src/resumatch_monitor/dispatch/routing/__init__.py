"""Who hears of an alert: the routing tree, built from the configuration."""

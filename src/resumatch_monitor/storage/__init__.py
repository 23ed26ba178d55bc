"""Storage engines, one package each, behind the Protocols that the features declare."""

"""Whether events of a bug come together, and those of different bugs do not."""

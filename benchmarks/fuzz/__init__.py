"""Coverage-guided fuzzing of what faces the network."""

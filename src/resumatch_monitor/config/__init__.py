"""The configuration tree, its loader and the shipped defaults."""

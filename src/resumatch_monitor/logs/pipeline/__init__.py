"""What is done with records before they are stored, as the configuration says."""

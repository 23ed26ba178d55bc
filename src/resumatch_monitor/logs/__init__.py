"""What applications say: taken in from many protocols, processed, searched within a second."""

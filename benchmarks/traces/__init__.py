"""How fast spans are taken in and found again, and how much of the disk they take."""

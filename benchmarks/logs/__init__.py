"""How fast logs are taken in over HTTP and found again, and how much of the disk they take."""

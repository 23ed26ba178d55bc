"""What people do about alerts, which ways it comes in, and what is learnt from it."""

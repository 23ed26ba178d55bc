"""The demonstration: ResuMatch, its databases, simulated users, the monitor, and a mail catcher."""

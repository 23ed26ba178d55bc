"""What `alerting` says, what must hold between its parts, and the policy where it says nothing."""

"""Turns an `alertmanager.yml` into the `alerting` section of the monitor."""

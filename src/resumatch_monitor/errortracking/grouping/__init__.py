"""Which events belong together: one module a version, so that an upgrade regroups nothing."""

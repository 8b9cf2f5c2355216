"""Which tenants there are, and the current release of each."""

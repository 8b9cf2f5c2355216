"""Events become workflow runs."""

"""Credentials, sessions and tokens; who a caller is."""

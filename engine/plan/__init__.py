"""Requests by name become plans: resolved, typed, with the access condition in."""

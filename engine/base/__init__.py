"""Errors, context, settings, limits and ids: what every room may know."""

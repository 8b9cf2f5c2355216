"""Checked plain data -> declarations of the kinds: labels by locale, defaults filled in, formulas with their places."""

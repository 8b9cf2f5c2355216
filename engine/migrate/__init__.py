"""Wanted tables against present ones: ordered operations and their DDL."""

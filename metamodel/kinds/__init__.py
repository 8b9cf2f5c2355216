"""Frozen declarations, one kind a file: the plain data of a pack after schema check and overlay, given types."""

"""Plan and apply of a changed pack, seeds, and the first administrator."""

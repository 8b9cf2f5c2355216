"""Reading and writing records: the only way a row changes."""

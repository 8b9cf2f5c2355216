"""Reports: running and exporting them."""

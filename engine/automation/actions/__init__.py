"""One action of a workflow a file."""

"""Packs as an author edits them: what stands at a place of a file, what it refers to, and changes across files."""

"""The language server: packs and formulas in any editor that speaks the Language Server Protocol."""

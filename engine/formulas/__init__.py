"""Formulas outside of any record's life: evaluated over typed inputs or one record, and explained."""

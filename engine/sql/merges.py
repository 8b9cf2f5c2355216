"""What is remembered of merged records."""

from __future__ import annotations


def remember(schema: str) -> str:
    """$1 object, $2 merged ids, $3 master, $4 when, $5 who."""
    return (
        f'INSERT INTO "{schema}"._merge (object, record, master, at, actor) '
        "SELECT $1, id, $3, $4, $5 FROM unnest($2::uuid[]) AS id "
        "ON CONFLICT (object, record) DO UPDATE SET master = $3, at = $4, actor = $5"
    )


def master(schema: str) -> str:
    """$1 object, $2 id -> the record that it was merged into in the end; no row where it never was."""
    return f"""
        WITH RECURSIVE way AS (
            SELECT master, 1 AS step FROM "{schema}"._merge WHERE object = $1 AND record = $2
            UNION ALL
            SELECT m.master, way.step + 1 FROM way JOIN "{schema}"._merge m ON m.object = $1 AND m.record = way.master
            WHERE way.step < 100
        )
        SELECT master FROM way ORDER BY step DESC LIMIT 1"""

"""Every limit of the formula language, once."""

from __future__ import annotations

SOURCE_CHARACTERS = 10_000
DEPTH = 100
NODES = 2_000
LIST_ITEMS = 1_000
HOPS = 5
PATTERN_CHARACTERS = 500
TEXT_CHARACTERS = 65_536
"""The longest text that a formula may make; a longer one is an error of the row."""
JOINED_CHARACTERS = 10_000_000
"""Texts are joined by `&` without a look at their lengths while these can not add up to more."""
FIELD_CHARACTERS = 65_536
"""What a stored text is taken to hold at most, where lengths are added up ahead of time."""
WEIGHT = 20_000
"""Parts that the SQL of a formula may have; functions that look at an argument several times multiply it."""
LAYER = 16
"""Parts that a formula field may have and still be written out wherever it is used; a heavier one that is used twice
becomes a column of the statement. Such a column takes 0.13 us a row, 16 parts take 0.6 us (PostgreSQL 18)."""
DIGITS = 100
"""Digits before the point of the largest number a formula may make; a larger one is an error of the row."""
FIELD_DIGITS = 38
SUM_DIGITS = 19
"""Digits that adding up every row of a table can add to a number."""
SCALE = 18
"""Decimal places of every inexact result (formula.md 2.8)."""
GUARD_SCALE = 12
"""Places that an inexact operand is rounded to before it is compared, floored or truncated."""
POWER_DIGITS = 64
"""A power or exponential above 10 to this is an error of the row, as in Salesforce."""

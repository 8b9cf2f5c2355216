"""`kind: seed`: records that a pack brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Records of `object`, found again by the field `key` and created where missing.

    A lookup is written as the key of the other record: `{to: <key value>}` is not needed, the value alone is.
    """

    name: str
    object: str
    key: str
    records: tuple[Mapping[str, Any], ...]
